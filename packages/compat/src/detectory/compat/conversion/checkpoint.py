"""Recognition and conversion of checkpoints by their parameter names."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from torch import Tensor

from detectory.compat import detectron1, mmdet, torchvision, transformers
from detectory.compat.legacy import set_legacy_rules
from detectory.core.checkpoint import CheckpointError, load_checkpoint_file
from detectory.core.checkpoint.readers import as_tensors
from detectory.core.config import LazyCall
from detectory.core.suggestions import nearest
from detectory.zoo.parts.loaders import resize_shortest_edge

from .converted_model import ConvertedModel
from .detectron_models import detectron_model
from .detectron_resize import DetectronResize
from .maskrcnn_benchmark import convert_weights as convert_maskrcnn_benchmark
from .maskrcnn_benchmark import has_group_norm
from .maskrcnn_config import apply_settings, read_config, resize_of


@dataclass(frozen=True)
class ConversionOptions:
    """Settings of the original config that a checkpoint does not contain.

    Args:
        style: ResNet variant of a model of MMDetection, `"pytorch"` or `"caffe"`.
        rules: Pixel conventions of a model of MMDetection 1.x, `"mmdet-legacy"` or `"mmdet-1.0"`.
        config: The original config: a file, or for torchvision the name of the function that builds the model.
        norm_eps: Epsilon of the frozen batch norms of a model of torchvision.
    """

    style: str = "pytorch"
    rules: str = "mmdet-legacy"
    config: str | None = None
    norm_eps: float | None = None


@dataclass(frozen=True)
class Source:
    """A system whose checkpoints can be converted.

    Args:
        name: Value of `--from`.
        markers: Parts of parameter names that only this system has.
        convert: Converts the state dict.
    """

    name: str
    markers: tuple[str, ...]
    convert: Callable[[Mapping[str, Tensor], ConversionOptions], ConvertedModel]


def _from_detectron1(state: Mapping[str, Tensor], options: ConversionOptions) -> ConvertedModel:
    del options
    norm = "GN" if any(name.endswith("_gn_s") for name in state) else "FrozenBN"
    architecture, config, weights = detectron_model(detectron1.convert_weights(state), "convert", norm)
    set_legacy_rules(config, "detectron")
    return ConvertedModel("Detectron", architecture, config, weights, resize=LazyCall(DetectronResize)())


def _from_maskrcnn_benchmark(state: Mapping[str, Tensor], options: ConversionOptions) -> ConvertedModel:
    plain = {name.removeprefix("module."): tensor for name, tensor in state.items()}
    norm = "GN" if has_group_norm(plain) else "FrozenBN"
    architecture, config, weights = detectron_model(convert_maskrcnn_benchmark(plain), "convert", norm)
    settings = {} if options.config is None else read_config(options.config)
    apply_settings(config, settings)
    set_legacy_rules(config, "maskrcnn-benchmark")
    return ConvertedModel("maskrcnn-benchmark", architecture, config, weights, resize=resize_of(settings))


def _from_mmdet(
    state: Mapping[str, Tensor], options: ConversionOptions, version_1: bool | None = None
) -> ConvertedModel:
    settings = None if options.config is None else mmdet.read_settings(options.config)
    model = mmdet.describe_model(state, options.style, version_1, options.rules, settings)
    system = "MMDetection 1.x" if model.version_1 else "MMDetection"
    resize = None
    if model.image_size is None and model.edges != mmdet.DEFAULT_EDGES:
        resize = resize_shortest_edge(model.edges[0], max_size=model.edges[1])
    return ConvertedModel(
        system,
        model.architecture,
        model.config,
        model.state,
        classes=None if settings is None else settings.classes,
        image_size=model.image_size,
        resize=resize,
        optimizer=model.optimizer,
        learning_rate=model.learning_rate,
    )


def _from_mmdet_1(state: Mapping[str, Tensor], options: ConversionOptions) -> ConvertedModel:
    return _from_mmdet(state, options, version_1=True)


def _from_torchvision(state: Mapping[str, Tensor], options: ConversionOptions) -> ConvertedModel:
    name = options.config or torchvision.builder_name(state)
    model = torchvision.model_of_state_dict(state, name, options.norm_eps)
    config, resize = torchvision.torchvision_config(model), torchvision.resize_config(model)
    return ConvertedModel("torchvision", name, config, torchvision.convert_state_dict(state), resize=resize)


#: The systems by the value of `--from`; `mmdet-1.x` is for a RetinaNet, whose names do not show its version.
SOURCES = {
    source.name: source
    for source in (
        Source("detectron1", ("res2_0_branch2a_w",), _from_detectron1),
        Source("maskrcnn-benchmark", ("backbone.body.stem.conv1.weight",), _from_maskrcnn_benchmark),
        Source("torchvision", torchvision.MARKERS, _from_torchvision),
        Source("mmdet", ("bbox_head.", "roi_head.bbox_head."), _from_mmdet),
        Source("mmdet-1.x", (), _from_mmdet_1),
    )
}

#: The system with folders instead of checkpoint files.
_TRANSFORMERS = "transformers"


def convert_checkpoint(
    path: str | Path,
    source: str = "auto",
    *,
    style: str = "pytorch",
    rules: str = "mmdet-legacy",
    config: str | None = None,
    norm_eps: float | None = None,
) -> ConvertedModel:
    """Read a checkpoint of another system.

    No code in the file is executed, and nothing is downloaded.

    Args:
        path: The checkpoint; for transformers a folder of `save_pretrained`.
        source: A key of `SOURCES`, `"transformers"`, or `"auto"` to recognise the system.
        style: As for `ConversionOptions`.
        rules: As for `ConversionOptions`.
        config: As for `ConversionOptions`.
        norm_eps: As for `ConversionOptions`.

    Raises:
        FileNotFoundError: If the file does not exist.
        CheckpointError: If the file cannot be read safely.
        ValueError: If the system or architecture is not known, or an entry does not belong to it.
    """
    if source not in ("auto", _TRANSFORMERS, *SOURCES):
        raise ValueError(f"convert: unknown system {source!r}; {nearest(source, [*SOURCES, _TRANSFORMERS, 'auto'])}")
    if source == _TRANSFORMERS or (source == "auto" and _in_pretrained_folder(Path(path))):
        return _from_transformers(Path(path))
    content = load_checkpoint_file(path)
    state, classes = _state_and_classes(content, path)
    system = _recognize(state, path) if source == "auto" else SOURCES[source]
    converted = system.convert(state, ConversionOptions(style, rules, config, norm_eps))
    return replace(converted, classes=classes or converted.classes)


def _in_pretrained_folder(path: Path) -> bool:
    """Return whether a path is a folder of transformers, or the weights in one."""
    is_weights = path.name in (transformers.WEIGHTS, "pytorch_model.bin")
    return path.is_dir() or (is_weights and transformers.is_pretrained_folder(path.parent))


def _from_transformers(path: Path) -> ConvertedModel:
    folder = transformers.read_folder(path if path.is_dir() else path.parent)
    config, state = transformers.detr_config(folder)
    return ConvertedModel(
        _TRANSFORMERS,
        str(folder.config["model_type"]),
        config,
        state,
        classes=transformers.class_names(folder.config),
        resize=transformers.resize_config(folder.processor),
    )


def _state_and_classes(content: Mapping[str, Any], path: str | Path) -> tuple[Mapping[str, Tensor], Any]:
    """Return the tensors and the class names of a checkpoint."""
    values = content["model"]
    outer = values if isinstance(values, Mapping) and "state_dict" in values else content
    values = outer.get("state_dict", values)
    if not isinstance(values, Mapping):
        raise CheckpointError(f"convert: {path} does not contain a state dict")
    meta = outer.get("meta")
    classes = None
    if isinstance(meta, Mapping):
        dataset = meta.get("dataset_meta") or meta
        names = dataset.get("classes") or dataset.get("CLASSES")
        classes = tuple(str(name) for name in names) if isinstance(names, (list, tuple)) else None
    return as_tensors(values, f"convert: {path}"), classes


def _recognize(state: Mapping[str, Tensor], path: str | Path) -> Source:
    names = [name.removeprefix("module.") for name in state]
    for source in SOURCES.values():
        if any(name.startswith(marker) for marker in source.markers for name in names):
            return source
    raise ValueError(
        f"convert: {path} was written by none of {', '.join(SOURCES)}; its first entries are {names[:3]}."
        " Checkpoints of Detectron2 need no conversion"
    )
