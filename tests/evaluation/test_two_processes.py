"""Evaluation in two processes with uneven parts and repeated images against one process; no tensor is pickled."""

import copyreg
import tempfile
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.multiprocessing as multiprocessing
from cityscapes_checks import CLASSES as STREETS
from cityscapes_checks import outputs_of
from cityscapes_scenes import write_scenes
from coco_datasets import random_dataset, write_json
from coco_outputs import CLASSES, model_outputs, proposals_near
from label_maps import random_labels
from panoptic_segmentations import CATEGORIES, contiguous, random_pair, save
from voc_datasets import voc_file

from detectory import evaluation as ev
from detectory.data import DatasetCatalog, MetadataCatalog
from detectory.structures import Boxes, Instances


def coco(folder):
    ground_truth, results = random_dataset(60, "segm")
    MetadataCatalog.get("two_coco").set(
        json_file=str(write_json(folder / "ground_truth.json", ground_truth)), **CLASSES
    )
    inputs, outputs = model_outputs(ground_truth, results, "segm")
    proposals = proposals_near(ground_truth, 60)[1]
    return ev.COCOEvaluator("two_coco"), inputs, [o | p for o, p in zip(outputs, proposals, strict=True)]


def panoptic(folder):
    ground_truths, predictions = random_pair(61, images=6)
    path, images = save(folder / "ground_truth", ground_truths, CATEGORIES)
    ids = {"thing_dataset_id_to_contiguous_id": {2: 0, 5: 1}, "stuff_dataset_id_to_contiguous_id": {7: 2}}
    MetadataCatalog.get("two_panoptic").set(panoptic_json=str(path), panoptic_root=str(images), **ids)
    outputs = [{"panoptic_seg": (torch.from_numpy(ids), contiguous(segments))} for ids, segments in predictions]
    return (
        ev.COCOPanopticEvaluator("two_panoptic"),
        [{"image_id": i + 1, "file_name": f"{i + 1}.jpg"} for i in range(6)],
        outputs,
    )


def semantic(folder):
    from PIL import Image

    records = [{"file_name": f"{i}.jpg", "sem_seg_file_name": str(folder / f"{i}.png")} for i in range(6)]
    for index, record in enumerate(records):
        Image.fromarray(random_labels(index).astype(np.uint8)).save(record["sem_seg_file_name"])
    if "two_semantic" not in DatasetCatalog:
        DatasetCatalog.register("two_semantic", lambda: records)
    MetadataCatalog.get("two_semantic").set(stuff_classes=["a", "b", "c"], ignore_label=255)
    outputs = [{"sem_seg": torch.from_numpy(random_labels(index + 9))} for index in range(6)]
    return ev.SemSegEvaluator("two_semantic", output_dir=str(folder / "out")), records, outputs


def cityscapes(folder):
    ground_truth, names, scenes = write_scenes(folder, 62, images=6)
    MetadataCatalog.get("two_streets").set(gt_dir=str(ground_truth), **STREETS)
    return (
        ev.CityscapesInstanceEvaluator("two_streets"),
        [{"file_name": name} for name in names],
        [outputs_of(*s) for s in scenes],
    )


def voc(folder):
    (folder / "Annotations").mkdir()
    (folder / "ImageSets" / "Main").mkdir(parents=True)
    (folder / "ImageSets" / "Main" / "val.txt").write_text("\n".join(map(str, range(6))))
    inputs, outputs = [], []
    for index in range(6):
        (folder / "Annotations" / f"{index}.xml").write_text(voc_file([("cat", 0, (1, 1, 10 + index, 10))]))
        instances = Instances((40, 40))
        instances.pred_boxes = Boxes(torch.tensor([[0.0, 0.0, 10.0, 10.0]]))
        instances.pred_classes = torch.tensor([0])
        instances.scores = torch.tensor([0.9 - index / 10])
        inputs.append({"image_id": str(index)}), outputs.append({"instances": instances})
    MetadataCatalog.get("two_voc").set(dirname=str(folder), split="val", year=2012, thing_classes=["cat", "dog"])
    return ev.PascalVOCDetectionEvaluator("two_voc"), inputs, outputs


pytestmark = pytest.mark.slow  # each process imports all packages
MAKERS = {"coco": coco, "panoptic": panoptic, "semantic": semantic, "cityscapes": cityscapes, "voc": voc}
PARTS = [[0, 1, 2, 3, 4], [4, 5, 0]]  # a padding sampler repeats images such as 0 and 4


def metrics_of(name, folder, indices):
    evaluator, inputs, outputs = MAKERS[name](folder)
    evaluator.reset()
    for index in indices:
        evaluator.process([inputs[index]], [outputs[index]])
    return evaluator.evaluate()


def refuse(tensor):
    raise TypeError("a tensor was pickled")


def worker(rank, port_file, folder):
    torch.distributed.init_process_group("gloo", init_method=f"file://{port_file}", rank=rank, world_size=2)
    copyreg.pickle(torch.Tensor, refuse)
    for name in MAKERS:
        output = Path(folder) / f"{name} {rank}"
        output.mkdir()
        torch.save(metrics_of(name, output, PARTS[rank]), Path(folder) / f"{name}.{rank}")
    torch.distributed.destroy_process_group()


@pytest.fixture(scope="module")
def both():
    """Folder with the results of both processes by evaluator."""
    with tempfile.TemporaryDirectory() as folder:
        multiprocessing.spawn(worker, (f"{folder}/store", folder), nprocs=2)
        yield Path(folder)


@pytest.mark.parametrize("name", MAKERS)
def test_two_processes_return_the_metrics_of_one(both, tmp_path, name):
    first, second = (torch.load(both / f"{name}.{rank}", weights_only=False) for rank in range(2))
    expected = metrics_of(name, tmp_path, range(6))
    assert second == {}
    assert first.keys() == expected.keys()
    for task in expected:
        assert first[task] == pytest.approx(expected[task], nan_ok=True)
