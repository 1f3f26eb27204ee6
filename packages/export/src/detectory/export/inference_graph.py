"""`InferenceGraph`: the exportable part of a model, from pixels to raw predictions.

Post-processing is left out, because it resizes masks and heatmaps to an output size that the graph does not know.
"""

import copy
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from detectory.modeling.deformable_detr import DeformableDETR
from detectory.modeling.detr import DETR
from detectory.modeling.fast_inference import fold_batch_norms, lower_precision
from detectory.modeling.meta_arch import GeneralizedRCNN, PanopticFPN, ProposalNetwork, SemanticSegmentor
from detectory.modeling.meta_arch.dense_detector import DenseDetector
from detectory.modeling.rtmdet import RTMDetIns
from detectory.structures import Boxes, Instances
from detectory.structures.model_formats import ModelInput

RawOutputs = dict[str, Tensor]


class InferenceGraph(nn.Module):
    """A model in evaluation mode as a function from tensors to tensors, for images of any size.

    Contains a copy of the model on the CPU, with batch norms folded into the preceding convolutions.

    Args:
        model: A model of one of the meta-architectures in `detectory.modeling`, or of a subclass.
        batch: Number of images per call. 1: `image` has shape (C, H, W). Otherwise the input is `images`
            (B, C, H, W), and the detections of all images are concatenated, with the additional output
            `image_index` (N,) int64.
        dtype: `float16` and `bfloat16` convert weights and features; inputs and outputs stay float32.

    Attributes:
        input_names: `image` or `images`, float32 from 0 to 255 in the model's channel order, and, if the model does not
            have a proposal generator, `proposal_boxes` (R, 4).
        output_names: Names of the tensors returned by `forward`, in order; set by `name_outputs`.

    Raises:
        TypeError: If the meta-architecture is not supported.
        ValueError: If the model is in training mode, or needs proposals and `batch` is not 1.
    """

    def __init__(self, model: nn.Module, batch: int = 1, dtype: str = "float32") -> None:
        super().__init__()
        if model.training:
            raise ValueError(f"InferenceGraph: {type(model).__name__} is in training mode, call eval() first")
        self._raw_outputs = _raw_outputs_of(model)
        needs_proposals = isinstance(model, GeneralizedRCNN) and model.proposal_generator is None
        if needs_proposals and batch != 1:
            raise ValueError("InferenceGraph: a model without a proposal generator needs batch=1")
        self.model = fold_batch_norms(copy.deepcopy(model).to("cpu", torch.float32))
        if dtype in ("float16", "bfloat16"):
            lower_precision(self.model, getattr(torch, dtype))
        self.batch = batch
        image = "image" if batch == 1 else "images"
        self.input_names = (image, "proposal_boxes") if needs_proposals else (image,)
        self.output_names: tuple[str, ...] = ()

    def inputs_of(self, items: Sequence[ModelInput]) -> tuple[Tensor, ...]:
        """Convert model inputs (`image` of equal size and, if needed, `proposals`) to the graph's inputs.

        Args:
            items: One input, or for a larger batch at most `batch` inputs; the last one is repeated.

        Raises:
            ValueError: If a required entry is missing.
        """
        for item in items:
            missing = [name for name in ("image", "proposals")[: len(self.input_names)] if name not in item]
            if missing:
                raise ValueError(f"InferenceGraph.inputs_of: an input needs {missing[0]!r}, got {sorted(item)}")
        if self.batch == 1:
            tensors = [items[0]["image"].to(torch.float32)]
        else:
            images = [item["image"].to(torch.float32) for item in items]
            tensors = [torch.stack(images + images[-1:] * (self.batch - len(images)))]
        if len(self.input_names) > 1:
            tensors.append(items[0]["proposals"].proposal_boxes.tensor)
        return tuple(tensors)

    def name_outputs(self, item: ModelInput) -> None:
        """Run the model on an input to determine `output_names`."""
        with torch.no_grad():
            (raw,) = self._raw_outputs(self.model, [item])
        has_index = self.batch != 1 and set(raw) != {"sem_seg"}
        self.output_names = (*raw, "image_index") if has_index else tuple(raw)

    def forward(self, image: Tensor, proposal_boxes: Tensor | None = None) -> tuple[Tensor, ...]:
        """Return raw predictions, named by `output_names`.

        Args:
            image: (C, H, W) float32, or (B, C, H, W) if `batch` is not 1.
            proposal_boxes: (R, 4) in pixels of `image`.
        """
        if self.batch != 1:
            return _concatenated(self._raw_outputs(self.model, [{"image": one} for one in image.unbind()]))
        item: ModelInput = {"image": image}
        if proposal_boxes is not None:
            size = (image.shape[1], image.shape[2])
            item["proposals"] = Instances(size, proposal_boxes=Boxes(proposal_boxes))
        return tuple(self._raw_outputs(self.model, [item])[0].values())


def _concatenated(outputs: list[RawOutputs]) -> tuple[Tensor, ...]:
    """Concatenate the detections of all images and append their image indices; stack semantic scores."""
    merged = {}
    for name in outputs[0]:
        parts = [output[name] for output in outputs]
        merged[name] = torch.stack(parts) if name == "sem_seg" else torch.cat(parts)
    score = next((name for name in ("scores", "objectness_logits") if name in outputs[0]), None)
    if score is not None:
        index = [torch.full_like(output[score], i, dtype=torch.int64) for i, output in enumerate(outputs)]
        merged["image_index"] = torch.cat(index)
    return tuple(merged.values())


def _raw_outputs_of(model: nn.Module) -> Callable[[Any, list[ModelInput]], list[RawOutputs]]:
    if isinstance(model, RTMDetIns):
        raise TypeError(
            "InferenceGraph: the masks of RTMDetIns cannot be exported. RTMDet without masks can be exported"
        )
    for meta_architecture, function in _RAW_OUTPUTS:
        if isinstance(model, meta_architecture):
            return function
    names = ", ".join(meta_architecture.__name__ for meta_architecture, _ in _RAW_OUTPUTS)
    raise TypeError(f"InferenceGraph: model must be one of {names}, got {type(model).__name__}")


def _panoptic(model: PanopticFPN, items: list[ModelInput]) -> list[RawOutputs]:
    instances, semantic = model.inference(items, do_postprocess=False)
    return [{**_tensors_of(one), "sem_seg": scores} for one, scores in zip(instances, semantic, strict=True)]


def _two_stage(model: GeneralizedRCNN, items: list[ModelInput]) -> list[RawOutputs]:
    return [_tensors_of(one) for one in model.inference(items, do_postprocess=False)]


def _proposals(model: ProposalNetwork, items: list[ModelInput]) -> list[RawOutputs]:
    images = model.preprocess_image(items)
    proposals, _ = model.proposal_generator(images, model.backbone(images.tensor), None)
    return [_tensors_of(one) for one in proposals]


def _dense(model: DenseDetector, items: list[ModelInput]) -> list[RawOutputs]:
    images = model.preprocess_image(items)
    maps = model.backbone(images.tensor)
    features = [maps[name] for name in model.head_in_features]
    return [_tensors_of(one) for one in model.forward_inference(images, features, model.head(features))]


def _queries(model: DETR | DeformableDETR, items: list[ModelInput]) -> list[RawOutputs]:
    images = model.preprocess_image(items)
    logits, boxes, *_ = model.predict(images)
    return [_tensors_of(one) for one in model.inference(logits[-1], boxes[-1], images.image_sizes)]


def _semantic(model: SemanticSegmentor, items: list[ModelInput]) -> list[RawOutputs]:
    images = model.preprocess_image(items)
    results, _ = model.sem_seg_head(model.backbone(images.tensor), None)
    return [{"sem_seg": scores} for scores in results]


_RAW_OUTPUTS: tuple[tuple[type, Callable[[Any, list[ModelInput]], list[RawOutputs]]], ...] = (
    (PanopticFPN, _panoptic),
    (GeneralizedRCNN, _two_stage),
    (ProposalNetwork, _proposals),
    (DenseDetector, _dense),
    (DETR, _queries),
    (DeformableDETR, _queries),
    (SemanticSegmentor, _semantic),
)


def _tensors_of(instances: Instances) -> RawOutputs:
    """Return the fields as tensors, without keypoints, which post-processing decodes from the heatmaps."""
    fields = instances.get_fields()
    return {name: getattr(value, "tensor", value) for name, value in fields.items() if name != "pred_keypoints"}
