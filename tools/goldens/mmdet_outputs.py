"""Measure what MMDetection 3 returns for models of its zoo with deterministic weights and images.

usage: mmdet_outputs.py FOLDER FAMILY/CONFIG ...

Needs an environment with `mmdet==3.3.0 mmengine mmcv-lite torchvision`; the operators of mmcv are replaced by those of
torchvision (`mmcv_operators.py`). The files have the format of `tests/golden/mmdet_parity`: `NAME.json.gz` with the
names and shapes of the state dict and the settings, and `NAME.npz` with the detections.
"""

import gzip
import importlib.util
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).parent))
import mmcv_operators

mmcv_operators.install()

import mmdet  # noqa: E402
from mmdet.registry import MODELS  # noqa: E402
from mmdet.structures import DetDataSample  # noqa: E402
from mmdet.utils import register_all_modules  # noqa: E402
from mmengine.config import Config  # noqa: E402

REPOSITORY = Path(__file__).parents[2]
GOLDEN = REPOSITORY / "tests" / "golden" / "mmdet_parity"

#: Factors that keep activations finite and detections apart, by a part of the config's name.
RGB = [["backbone.conv1.weight", 0.7]]
RAW = [["backbone.conv1.weight", 0.012]]
STEM = [["backbone.stem.0.weight", 0.7]]
RESNET = [[".conv3.weight", 0.25]]
RCNN = [
    ["rpn_cls.weight", 0.1],
    ["rpn_reg.weight", 0.1],
    ["shared_fcs.0.bias", 1.0, -2.0],
    ["shared_fcs.1.bias", 1.0, -2.0],
    ["fc_reg.weight", 0.05],
    ["conv_offset", 0.2],
]
RETINA = [["retina_cls.weight", 0.1], ["retina_reg.weight", 0.05]]
DEFORMABLE = [
    ["query_embedding.weight", 10.0],
    ["level_embed", 5.0],
    ["in_proj_weight", 2.0],
    ["out_proj.weight", 0.3],
    ["output_proj.weight", 0.5],
    ["ffn.layers.1.weight", 0.3],
    ["decoder.*ffn.layers.*weight", 0.5],
    ["reference_points.weight", 3.0],
]
RULES: dict[str, list] = {
    "yolox/": [
        ["backbone.stem.conv.*conv.weight", 0.02],
        ["multi_level_conv_cls", 0.5],
        ["multi_level_conv_reg", 0.3],
        ["multi_level_conv_obj", 0.5],
    ],
    "yolo/yolov3_mobilenetv2": [["linear_conv", 0.6], ["convs_pred.weight", 0.6]],
    "yolo/yolov3_d53": [
        ["backbone.conv1.conv.weight", 2.0],
        ["backbone.conv_res_block", 0.5],
        ["convs_pred.weight", 0.3],
    ],
    "rtmdet/": [
        ["(backbone|neck).*conv.weight", 1.15],
        ["rtm_cls.*weight", 0.5],
        ["rtm_reg.*weight", 0.5],
        ["rtm_reg.*bias", 1.0, 1.0],
    ],
    "deformable_detr/": RGB + RESNET + DEFORMABLE,
    "ssd/": [["backbone.features.0.weight", 0.02], ["l2_norm.weight", 20.0], ["cls_convs", 0.5], ["reg_convs", 0.05]],
    "gfl/": RGB + RESNET + [["gfl_cls.weight", 0.2], ["gfl_reg.weight", 0.2], ["conv_offset", 0.2]],
    "atss/": RGB + RESNET + [["atss_cls.weight", 0.2], ["atss_centerness.weight", 0.2], ["atss_reg.weight", 0.05]],
    "fcos/": [*RESNET, ["conv_cls.weight", 0.2], ["conv_centerness.weight", 0.2], ["conv_reg.weight", 0.2]],
    "retinanet/": RESNET + RETINA,
}


#: Deeper networks need smaller weights.
RULES["rtmdet/rtmdet_m"] = [["(backbone|neck).*conv.weight", 1.0], *RULES["rtmdet/"][1:]]
RULES["yolox/yolox_m"] = [["(backbone|neck).*conv.weight", 0.7], *RULES["yolox/"]]


def rules_of(name: str, caffe: bool) -> list:
    """Return the factors of a model."""
    for part, rules in sorted(RULES.items(), key=lambda item: -len(item[0])):  # the most specific first
        if part in name:
            return (
                rules
                if "ResNet" not in str(rules) and part not in ("fcos/", "retinanet/")
                else [*_first(caffe), *rules]
            )
    return [*_first(caffe), *STEM, *RESNET, *RCNN]


def _first(caffe: bool) -> list:
    return RAW if caffe else RGB


def load_fill() -> Any:
    """Return the module that makes weights and images."""
    spec = importlib.util.spec_from_file_location("mmdet_fill", GOLDEN / "fill.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def without_thresholds(test_cfg: Any) -> Any:
    """Set all score thresholds to 0, in place."""
    for name in ("score_thr", "conf_thr"):
        if name in test_cfg:
            test_cfg[name] = 0.0
    if "rcnn" in test_cfg:
        without_thresholds(test_cfg["rcnn"])
    return test_cfg


def images_of(name: str) -> tuple[list[dict], dict | None]:
    """Return the images, and the padding before the normalization."""
    if "ssd300" in name or "ssd512" in name:
        side = 300 if "ssd300" in name else 512
        sizes = [((side, side), (448, 576)), ((side, side), (200, 250))]
    elif "yolo" in name:
        sizes = [((224, 288), (448, 576)), ((200, 256), (200, 256))]
    else:
        sizes = [((224, 288), (448, 576)), ((200, 250), (200, 250))]
    images = [{"size": list(size), "seed": seed, "ori": list(ori)} for seed, (size, ori) in enumerate(sizes)]
    if "yolox" in name:
        return images, {"type": "Pad", "pad_to_square": True, "pad_val": {"img": [114.0] * 3}}
    if "rtmdet" in name:
        return images, {"type": "Pad", "size": [320, 320], "pad_val": {"img": [114] * 3}}
    return images, None


@torch.no_grad()
def measure(model: Any, pixels: np.ndarray, ori: list[int], pad: dict | None) -> dict[str, np.ndarray]:
    """Return the detections of one image, BGR `(H, W, 3)`."""
    height, width = pixels.shape[:2]
    padded = pixels
    if pad is not None:
        side = pad["size"][0] if "size" in pad else max(height, width)
        padded = np.full((side, side, 3), 114, np.uint8)
        padded[:height, :width] = pixels
    sample = DetDataSample()
    meta = {"img_shape": padded.shape[:2], "ori_shape": tuple(ori), "scale_factor": (width / ori[1], height / ori[0])}
    meta["batch_input_shape"] = meta["pad_shape"] = padded.shape[:2]
    sample.set_metainfo(meta)
    tensor = torch.from_numpy(np.ascontiguousarray(padded.transpose(2, 0, 1)))
    data = model.data_preprocessor({"inputs": [tensor], "data_samples": [sample]}, False)
    features = model.extract_feat(data["inputs"])
    found = model.predict(data["inputs"], data["data_samples"], rescale=True)[0].pred_instances
    result = {
        "boxes": found.bboxes[:300].numpy(),
        "scores": found.scores[:300].numpy(),
        "classes": found.labels[:300].numpy(),
        "count": np.array(len(found.bboxes)),
    }
    for level, feature in enumerate(sorted(features, key=lambda x: -x.shape[2] * x.shape[3])):
        result[f"neck.{level}.mean"] = feature.mean((2, 3))[0].numpy()
        result[f"neck.{level}.corner"] = feature[0, :8, :2, :2].numpy()
    if "masks" in found:
        result["mask_rows"] = found.masks[:300].numpy().sum(2)[:, ::16].astype(np.int32)
    return result


def shared_entries(model: Any) -> dict[str, str]:
    """Return the entries of the state dict that share their tensor with an earlier one."""
    first: dict[int, str] = {}
    alias = {}
    for name, tensor in model.state_dict(keep_vars=True).items():
        if tensor.numel():
            owner = first.setdefault(tensor.data_ptr(), name)
            if owner != name:
                alias[name] = owner
    return alias


def golden(name: str, folder: Path, fill: Any) -> None:
    """Write the two files of a model."""
    config = Config.fromfile(str(Path(mmdet.__file__).parent / ".mim" / "configs" / f"{name}.py"))
    original = config.model.get("test_cfg", {})
    original = original.to_dict() if hasattr(original, "to_dict") else original
    test_cfg = without_thresholds(config.model.get("test_cfg", {}))
    if name.startswith("yolo/"):
        test_cfg["nms_pre"] = -1  # MMDetection 2 ignores this setting of YOLOv3
    model = MODELS.build(config.model).eval()
    if name.startswith("ssd/"):
        model.bbox_head.loss_cls = None  # version 3.3 reads this attribute, which its SSD does not have
    caffe = config.model.backbone.get("style") == "caffe"
    images, pad = images_of(name)
    info: dict[str, Any] = {
        "name": f"mmdet3/{name}",
        "library": f"mmdet {mmdet.__version__}, torch {torch.__version__}",
        "original_test_cfg": original,
        "rules": rules_of(name, caffe),
        "bias_period": {},
        "alias": shared_entries(model),
        "const": {},
        "state": {key: list(tensor.shape) for key, tensor in model.state_dict().items()},
        "settings": {"test_cfg": test_cfg.to_dict(), "backbone": {"style": config.model.backbone.get("style")}},
    }
    for key, tensor in model.state_dict().items():
        if key.endswith("integral.project"):
            info["const"][key] = tensor.tolist()
    state = {key: torch.from_numpy(np.array(value)) for key, value in fill.state_for(info).items()}
    model.load_state_dict(state)
    arrays = {}
    counts = []
    for i, image in enumerate(images):
        pixels = fill.image(*image["size"], image["seed"])
        result = measure(model, pixels, image["ori"], pad)
        counts.append(int(result.pop("count")))
        arrays |= {f"{i}.{key}": value for key, value in result.items()}
        print(
            f"{name}: image {i}: {counts[-1]} detections, scores {result['scores'][:3]}, best box {result['boxes'][:1]}"
        )
    preprocessor = config.model.data_preprocessor if "data_preprocessor" in config.model else config.data_preprocessor
    transforms = (
        []
        if preprocessor.get("mean") is None
        else [
            {"type": "Normalize", "mean": preprocessor.mean, "std": preprocessor.std, "to_rgb": preprocessor.bgr_to_rgb}
        ]
    )
    info["input"] = {"channels": "BGR", "transforms": [*transforms, *([pad] if pad else [])], "images": images}
    info["detections"] = counts
    key = info["name"].replace("/", "__")
    folder.mkdir(parents=True, exist_ok=True)
    with gzip.GzipFile(folder / f"{key}.json.gz", "wb", mtime=0) as file:
        file.write(json.dumps(info).encode())
    np.savez_compressed(folder / f"{key}.npz", **arrays)


def main() -> None:
    """Measure the models of the command line."""
    folder, *names = sys.argv[1:]
    register_all_modules()
    fill = load_fill()
    for name in names:
        golden(name, Path(folder), fill)


if __name__ == "__main__":
    main()
