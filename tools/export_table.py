"""Measures which model exports to which format, and writes the table in `docs/tasks/export.md`.

    python tools/export_table.py                         # all models and formats, hours
    python tools/export_table.py --models Mask --formats onnx,openvino
    python tools/export_table.py --write                 # only write the table from the stored results

Each combination runs in its own process. The models have their real width and random weights, scaled so that they
detect distinct objects; the images are photos of scikit-image. Results are stored in `docs/tasks/export_table.json`
after every combination.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "docs" / "tasks" / "export_table.json"
PAGE = ROOT / "docs" / "tasks" / "export.md"
START, END = "<!-- export table: start -->", "<!-- export table: end -->"

MODELS = {
    "Faster R-CNN R-50-FPN": "COCO-Detection/faster_rcnn_R_50_FPN_1x",
    "Mask R-CNN R-50-FPN": "COCO-InstanceSegmentation/mask_rcnn_R_50_FPN_1x",
    "Keypoint R-CNN R-50-FPN": "COCO-Keypoints/keypoint_rcnn_R_50_FPN_1x",
    "Faster R-CNN R-50-C4": "COCO-Detection/faster_rcnn_R_50_C4_1x",
    "Faster R-CNN R-50-DC5": "COCO-Detection/faster_rcnn_R_50_DC5_1x",
    "Cascade Mask R-CNN R-50-FPN": "Misc/cascade_mask_rcnn_R_50_FPN_1x",
    "Mask R-CNN R-50-FPN with group norm": "Misc/mask_rcnn_R_50_FPN_3x_gn",
    "Mask R-CNN R-50-FPN with deformable convolution": "Misc/mask_rcnn_R_50_FPN_1x_dconv_c3-c5",
    "RetinaNet R-50-FPN": "COCO-Detection/retinanet_R_50_FPN_1x",
    "FCOS R-50-FPN": "COCO-Detection/fcos_R_50_FPN_1x",
    "Semantic FPN R-50": "Misc/semantic_R_50_FPN_1x",
    "Panoptic FPN R-50": "COCO-PanopticSegmentation/panoptic_fpn_R_50_1x",
    "Faster R-CNN R-50-FPN with rotated boxes": "rotated",
    "Mask R-CNN R-50-FPN with PointRend": "point_rend",
    "Mask R-CNN ViTDet-B": "ViTDet/COCO/mask_rcnn_vitdet_b_100ep",
    "Cascade Mask R-CNN Swin-B": "ViTDet/COCO/cascade_mask_rcnn_swin_b_in21k_50ep",
    "Mask R-CNN MViTv2-T": "MViTv2/mask_rcnn_mvitv2_t_3x",
}
FORMATS = {
    "torch-export": "torch.export",
    "torchscript": "TorchScript",
    "aoti": "AOTInductor",
    "onnx": "ONNX",
    "openvino": "OpenVINO",
}
SUFFIXES = {"torch-export": ".pt2", "torchscript": ".ts", "aoti": ".pt2", "onnx": ".onnx", "openvino": ".xml"}
#: Shorter and longer side of the images, pixels.
SIZE = 480, 640
LIMIT = 1e-3


def build(name: str) -> Any:
    """Return a model in evaluation mode with scaled random weights."""
    import torch

    from detectory import zoo
    from detectory.compat.detectron2 import model_zoo
    from detectory.compat.detectron2.modeling import build_model

    torch.manual_seed(0)
    if name not in ("rotated", "point_rend"):
        return zoo.get(name).eval()
    if name == "rotated":
        cfg = model_zoo.get_config("COCO-Detection/faster_rcnn_R_50_FPN_1x.yaml")
        cfg.MODEL.PROPOSAL_GENERATOR.NAME = "RRPN"
        cfg.MODEL.ANCHOR_GENERATOR.NAME = "RotatedAnchorGenerator"
        cfg.MODEL.ANCHOR_GENERATOR.ANGLES = [[-60, -30, 0, 30, 60, 90]]
        cfg.MODEL.RPN.BBOX_REG_WEIGHTS = (1, 1, 1, 1, 1)
        cfg.MODEL.ROI_HEADS.NAME = "RROIHeads"
        cfg.MODEL.ROI_BOX_HEAD.POOLER_TYPE = "ROIAlignRotated"
        cfg.MODEL.ROI_BOX_HEAD.BBOX_REG_WEIGHTS = (10, 10, 5, 5, 1)
    else:
        cfg = model_zoo.get_config("PointRend/InstanceSegmentation/pointrend_rcnn_R_50_FPN_1x_coco.yaml")
    cfg.MODEL.DEVICE = "cpu"
    cfg.MODEL.WEIGHTS = ""
    return build_model(cfg).eval()


def scale_weights(model: Any, item: Any) -> None:
    """Scale each layer, so that its outputs for an image have unit variance; scores and deltas get wider spreads.

    Source: Mishkin and Matas, "All you need is a good init", 2016.
    """
    import torch
    from torch import nn

    spreads = {"cls_score": 3.0, "cls_logits": 1.5, "bbox_pred": 0.3, "objectness_logits": 2.0, "anchor_deltas": 0.1}
    done = set()

    def scale(name: str) -> Any:
        def hook(module: Any, _: Any, output: Any) -> Any:
            if name in done or not isinstance(output, torch.Tensor) or output.numel() < 2:
                return None
            done.add(name)
            bias = 0 if module.bias is None else module.bias
            if module.bias is not None and output.ndim == 4:
                bias = module.bias[:, None, None]
            spread = spreads.get(name.rpartition(".")[2], 1.0)
            factor = spread / (output - bias).std().clamp(min=1e-6)
            module.weight.data *= factor
            return (output - bias) * factor + bias

        return hook

    types = (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)
    handles = [m.register_forward_hook(scale(n)) for n, m in model.named_modules() if isinstance(m, types)]
    with torch.no_grad():
        model([item])
    for handle in handles:
        handle.remove()


def exclude_blank_images(model: Any, photo: Any, blank: Any) -> None:
    """Raise the score threshold, so that a black image has no detections, if that leaves detections in the photo."""
    import torch

    with torch.no_grad():
        outputs = [model([item])[0].get("instances") for item in (photo, blank)]
    if outputs[0] is None or not len(outputs[1]):
        return
    threshold = float(outputs[1].scores.max()) + 1e-3
    if int((outputs[0].scores > threshold).sum()) >= 5:
        for module in model.modules():
            if hasattr(module, "test_score_thresh"):
                module.test_score_thresh = threshold


def agrees_on_blank_image(model: Any, exported: Any, blank: Any) -> bool:
    """Whether two models agree on a black image: the same labels, number of detections and scores.

    Boxes are not compared: if there are detections, the scores of neighboring boxes are equal up to rounding.
    """
    import torch

    with torch.no_grad():
        outputs = [one([blank])[0] for one in (model, exported)]
    if "sem_seg" in outputs[0] and not torch.equal(*[output["sem_seg"].argmax(dim=0) for output in outputs]):
        return False
    if "instances" not in outputs[0]:
        return True
    scores = [output["instances"].scores.sort().values for output in outputs]
    return len(scores[0]) == len(scores[1]) and bool((scores[0] - scores[1]).abs().le(LIMIT).all())


def inputs() -> list[dict[str, Any]]:
    """Return two photos of different sizes."""
    import numpy as np
    import skimage.data
    import torch

    from detectory.data.transforms import ResizeShortestEdge

    items = []
    for name in ("coffee", "astronaut"):
        pixels = np.ascontiguousarray(getattr(skimage.data, name)()[:, :, ::-1])
        resized = ResizeShortestEdge(*SIZE).get_transform(pixels).apply_image(pixels)
        items.append({"image": torch.as_tensor(resized.transpose(2, 0, 1).copy()).float(), "file_name": name})
    return items


def measure(name: str, format_name: str) -> dict[str, Any]:
    """Export one model to one format and compare; return the differences or the reason of the failure."""
    import torch

    from detectory.export import Tolerance, export, load

    model, items = build(name), inputs()
    scale_weights(model, items[0])
    blank: Any = {"image": torch.zeros(3, *SIZE), "file_name": "black image"}
    exclude_blank_images(model, items[0], blank)
    everything = Tolerance(*[float("inf")] * 6)
    start = time.perf_counter()
    result: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"model{SUFFIXES[format_name]}"
        try:
            agreement = export(model, path, items, format=format_name, tolerance=everything, resize=SIZE)
            result = {key: getattr(agreement, key) for key in ("detections", "matched", "unmatched")}
            result |= {key: getattr(agreement, key) for key in ("boxes", "scores", "masks", "keypoints", "labels")}
            result["blank"] = agrees_on_blank_image(model, load(path).model, blank)
        except Exception as error:  # noqa: BLE001 - the table reports every reason
            result["error"] = f"{type(error).__name__}: {' '.join(str(error).split())}"[:300]
    return {**result, "seconds": round(time.perf_counter() - start)}


def cell(result: dict[str, Any] | None) -> str:
    """Return the cell of a result: a tick, the largest differences or the reason."""
    if result is None:
        return "not measured"
    if "error" in result:
        return "–"
    limits = {"scores": LIMIT, "masks": LIMIT, "labels": LIMIT, "unmatched": LIMIT, "boxes": LIMIT * SIZE[1]}
    over = [f"{name} {result[name]:.1g}" for name, limit in limits.items() if not result[name] <= limit]
    if over:
        return ", ".join(over)
    notes = {True: "✓", False: "✓, but not for a black image", None: "✓ for the photos"}
    return notes[result.get("blank")]


def write_table(results: dict[str, dict[str, Any]]) -> None:
    """Replace the table in the page; models and formats without any result are left out."""
    measured = [name for name in FORMATS if any(name in row for row in results.values())]
    lines = [f"| | {' | '.join(FORMATS[name] for name in measured)} |", f"|---|{'---|' * len(measured)}"]
    reasons: list[str] = []
    for label in (label for label in MODELS if results.get(label)):
        row = results[label]
        lines.append(f"| {label} | {' | '.join(cell(row.get(name)) for name in measured)} |")
        failed = {FORMATS[name]: row[name]["error"] for name in measured if "error" in row.get(name, {})}
        reasons += [f"* {label}, {title}: {reason}" for title, reason in failed.items()]
    text = PAGE.read_text(encoding="utf-8")
    before, rest = text.split(START)
    _, after = rest.split(END)
    body = "\n".join([*lines, *(["", *reasons] if reasons else [])])
    PAGE.write_text(f"{before}{START}\n\n{body}\n\n{END}{after}", encoding="utf-8")


def main() -> None:
    """Measure, store and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", default="", help="Only models with this text in their name.")
    parser.add_argument("--formats", default=",".join(FORMATS), help="Formats, separated by commas.")
    parser.add_argument("--missing", action="store_true", help="Skip combinations that were measured before.")
    parser.add_argument("--write", action="store_true", help="Only write the table from the stored results.")
    parser.add_argument("--one", nargs=2, metavar=("MODEL", "FORMAT"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        print(json.dumps(measure(*arguments.one)))
        return
    results = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.is_file() else {}
    for format_name in () if arguments.write else arguments.formats.split(","):
        for label, name in MODELS.items():
            row = results.setdefault(label, {})
            if arguments.models not in label or (arguments.missing and format_name in row):
                continue
            command = [sys.executable, __file__, "--one", name, format_name]
            output = subprocess.run(command, capture_output=True, text=True, check=False)
            lines = output.stdout.strip().splitlines()
            lost = {"error": f"the process ended with code {output.returncode}"}
            row[format_name] = json.loads(lines[-1]) if output.returncode == 0 and lines else lost
            print(f"{label}, {format_name}: {row[format_name]}", flush=True)
            RESULTS.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    write_table(results)


if __name__ == "__main__":
    main()
