"""Two processes with uneven shares, some images twice: the figures of one process, and no tensor is pickled."""

import copyreg
import tempfile
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.multiprocessing as multiprocessing
from cityscapes_checks import CLASSES as STREETS
from cityscapes_checks import instances
from cityscapes_scenes import write_scenes
from coco_datasets import random_set, write
from coco_outputs import CLASSES, model_outputs, proposals_near
from label_maps import random_labels
from panoptic_segmentations import CATEGORIES, contiguous, random_pair, save
from voc_datasets import voc_file

from detectory import evaluation as ev
from detectory.data import DatasetCatalog, MetadataCatalog
from detectory.structures import Boxes, Instances


def coco(folder):
    truth, results = random_set(60, "segm")
    MetadataCatalog.get("two_coco").set(json_file=str(write(folder / "truth.json", truth)), **CLASSES)
    inputs, outputs = model_outputs(truth, results, "segm")
    proposals = proposals_near(truth, 60)[1]
    return ev.COCOEvaluator("two_coco"), inputs, [o | p for o, p in zip(outputs, proposals, strict=True)]


def panoptic(folder):
    truths, predictions = random_pair(61, images=6)
    path, pictures = save(folder / "truth", truths, CATEGORIES)
    ids = {"thing_dataset_id_to_contiguous_id": {2: 0, 5: 1}, "stuff_dataset_id_to_contiguous_id": {7: 2}}
    MetadataCatalog.get("two_panoptic").set(panoptic_json=str(path), panoptic_root=str(pictures), **ids)
    outputs = [{"panoptic_seg": (torch.from_numpy(ids), contiguous(segments))} for ids, segments in predictions]
    return (
        ev.COCOPanopticEvaluator("two_panoptic"),
        [{"image_id": i + 1, "file_name": f"{i + 1}.jpg"} for i in range(6)],
        outputs,
    )


def semantic(folder):
    from PIL import Image

    dicts = [{"file_name": f"{i}.jpg", "sem_seg_file_name": str(folder / f"{i}.png")} for i in range(6)]
    for index, record in enumerate(dicts):
        Image.fromarray(random_labels(index).astype(np.uint8)).save(record["sem_seg_file_name"])
    if "two_semantic" not in DatasetCatalog:
        DatasetCatalog.register("two_semantic", lambda: dicts)
    MetadataCatalog.get("two_semantic").set(stuff_classes=["a", "b", "c"], ignore_label=255)
    outputs = [{"sem_seg": torch.from_numpy(random_labels(index + 9))} for index in range(6)]
    return ev.SemSegEvaluator("two_semantic", output_dir=str(folder / "out")), dicts, outputs


def cityscapes(folder):
    truth, photos, scenes = write_scenes(folder, 62, images=6)
    MetadataCatalog.get("two_streets").set(gt_dir=str(truth), **STREETS)
    return (
        ev.CityscapesInstanceEvaluator("two_streets"),
        [{"file_name": p} for p in photos],
        [instances(*s) for s in scenes],
    )


def voc(folder):
    (folder / "Annotations").mkdir()
    (folder / "ImageSets" / "Main").mkdir(parents=True)
    (folder / "ImageSets" / "Main" / "val.txt").write_text("\n".join(map(str, range(6))))
    inputs, outputs = [], []
    for index in range(6):
        (folder / "Annotations" / f"{index}.xml").write_text(voc_file([("cat", 0, (1, 1, 10 + index, 10))]))
        found = Instances((40, 40))
        found.pred_boxes, found.pred_classes = Boxes(torch.tensor([[0.0, 0.0, 10.0, 10.0]])), torch.tensor([0])
        found.scores = torch.tensor([0.9 - index / 10])
        inputs.append({"image_id": str(index)}), outputs.append({"instances": found})
    MetadataCatalog.get("two_voc").set(dirname=str(folder), split="val", year=2012, thing_classes=["cat", "dog"])
    return ev.PascalVOCDetectionEvaluator("two_voc"), inputs, outputs


pytestmark = pytest.mark.slow  # both processes import everything anew
MAKERS = {"coco": coco, "panoptic": panoptic, "semantic": semantic, "cityscapes": cityscapes, "voc": voc}
SHARES = [[0, 1, 2, 3, 4], [4, 5, 0]]  # uneven; 0 and 4 came twice, as padding makes them


def figures_of(name, folder, chosen):
    evaluator, inputs, outputs = MAKERS[name](folder)
    evaluator.reset()
    for index in chosen:
        evaluator.process([inputs[index]], [outputs[index]])
    return evaluator.evaluate()


def refuse(tensor):
    raise TypeError("a tensor was pickled")


def worker(rank, port_file, folder):
    torch.distributed.init_process_group("gloo", init_method=f"file://{port_file}", rank=rank, world_size=2)
    copyreg.pickle(torch.Tensor, refuse)
    for name in MAKERS:
        place = Path(folder) / f"{name} {rank}"
        place.mkdir()
        torch.save(figures_of(name, place, SHARES[rank]), Path(folder) / f"{name}.{rank}")
    torch.distributed.destroy_process_group()


@pytest.fixture(scope="module")
def both():
    """A folder with what each of the two processes returned, by evaluator."""
    with tempfile.TemporaryDirectory() as folder:
        multiprocessing.spawn(worker, (f"{folder}/store", folder), nprocs=2)
        yield Path(folder)


@pytest.mark.parametrize("name", MAKERS)
def test_two_processes_give_the_figures_of_one(both, tmp_path, name):
    first, second = (torch.load(both / f"{name}.{rank}", weights_only=False) for rank in range(2))
    alone = figures_of(name, tmp_path, range(6))
    assert second == {}
    assert first.keys() == alone.keys()
    for task in alone:
        assert first[task] == pytest.approx(alone[task], nan_ok=True)
