"""Peak memory of evaluation: at most that of pycocotools, and below 1.6 GB for half a million masks."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from coco_datasets import random_rle, write_json
from pycocotools import mask as mask_api

from detectory import ops
from detectory.data import MetadataCatalog
from detectory.evaluation import COCOEvaluator
from detectory.structures import Boxes, Instances

pytestmark = pytest.mark.slow
ROOT = Path(__file__).resolve().parents[2]
IMAGES, DETECTIONS, SIZE = 5000, 100, (480, 640)


@pytest.mark.parametrize(("iou_type", "images"), [("bbox", 800), ("segm", 120)])
def test_files_take_at_most_the_memory_of_pycocotools(tmp_path, monkeypatch, iou_type, images):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks" / "evaluation"))
    from synthetic_coco import write_dataset

    files = write_dataset(tmp_path, images, 8.67, 54.8, masks=iou_type == "segm")
    command = [sys.executable, "-m", "benchmarks.evaluation.peak_memory"]
    runs = [[*command, name, *map(str, files), iou_type] for name in ("detectory", "pycocotools")]
    ours, theirs = (float(subprocess.run(r, cwd=ROOT, capture_output=True, check=True, text=True).stdout) for r in runs)
    assert ours <= theirs


def write_ground_truth(path):
    """Write a ground truth with seven objects per image."""
    rng = np.random.default_rng(0)
    masks = [random_rle(rng, *SIZE) for _ in range(50)]
    properties = [(mask, float(mask_api.area(mask)), mask_api.toBbox(mask).tolist()) for mask in masks]
    annotations = []
    for number in range(7 * IMAGES):
        mask, area, box = properties[number % 50]
        entry = {"id": number + 1, "image_id": number // 7 + 1, "category_id": number % 80 + 1, "iscrowd": 0}
        annotations.append(entry | {"segmentation": mask, "area": area, "bbox": box})
    images = [{"id": i + 1, "height": SIZE[0], "width": SIZE[1]} for i in range(IMAGES)]
    categories = [{"id": k + 1, "name": str(k)} for k in range(80)]
    return write_json(path, {"images": images, "annotations": annotations, "categories": categories})


def outputs_of(image):
    """Output of a model with 100 RLE masks."""
    generator = torch.Generator().manual_seed(image)
    corners = torch.rand(DETECTIONS, 2, generator=generator) * torch.tensor([560.0, 400.0])
    boxes = torch.cat([corners, corners + 20 + 60 * torch.rand(DETECTIONS, 2, generator=generator)], dim=1)
    instances = Instances(SIZE)
    instances.pred_boxes, instances.scores = Boxes(boxes), torch.rand(DETECTIONS, generator=generator)
    instances.pred_classes = torch.randint(0, 80, (DETECTIONS,), generator=generator)
    # Discs with a wavy border.
    y, x = torch.meshgrid(torch.linspace(-1, 1, 28), torch.linspace(-1, 1, 28), indexing="ij")
    waves = torch.rand(DETECTIONS, 1, 1, generator=generator) * torch.sin(6 * torch.atan2(y, x) + 1)
    masks = torch.sigmoid(8 * (0.8 + 0.3 * waves - torch.hypot(x, y)))
    instances.pred_masks_rle = ops.roi_masks_to_rle(masks, boxes, SIZE)
    return [{"instances": instances}]


def measure(folder):
    """Evaluate and print the peak memory in bytes."""
    from benchmarks.memory import resident

    ids = {k + 1: k for k in range(80)}
    ground_truth = write_ground_truth(Path(folder) / "ground_truth.json")
    metadata = {"thing_classes": list(map(str, range(80))), "thing_dataset_id_to_contiguous_id": ids}
    MetadataCatalog.get("peak_memory").set(json_file=str(ground_truth), **metadata)
    evaluator = COCOEvaluator("peak_memory", output_dir=folder)
    for image in range(1, IMAGES + 1):
        evaluator.process([{"image_id": image}], outputs_of(image))
    assert set(evaluator.evaluate()) == {"bbox", "segm"}
    print(resident("VmHWM"))


def test_half_a_million_masks_take_less_than_1_6_gb(tmp_path):
    code = "import sys; sys.path.insert(0, sys.argv[1]); import test_peak_memory; test_peak_memory.measure(sys.argv[2])"
    command = [sys.executable, "-c", code, str(Path(__file__).parent), str(tmp_path)]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, check=True, text=True)
    assert float(run.stdout) < 1.6e9
