"""Comparison of one random Cityscapes split with the official scripts."""

import numpy as np
import torch
from cityscapes_scenes import NAMES, THINGS, official_instances, official_labels, random_labels, write_scenes

from detectory.evaluation import CityscapesInstanceEvaluator, CityscapesSemSegEvaluator
from detectory.evaluation.cityscapes.labels import label_ids
from detectory.structures import Instances

CLASSES = {"thing_classes": list(THINGS.values()), "stuff_classes": NAMES}


def instances(ids, masks):
    found = Instances(ids.shape)
    found.pred_masks = torch.from_numpy(np.array([m for m, _, _ in masks]).reshape(-1, *ids.shape).astype(bool))
    found.pred_classes = torch.tensor([list(THINGS).index(label) for _, label, _ in masks], dtype=torch.int64)
    found.scores = torch.tensor([score for _, _, score in masks], dtype=torch.float64)
    return {"instances": found}


def evaluated(evaluator, photos, outputs):
    evaluator.reset()
    evaluator.process([{"file_name": photo} for photo in photos], outputs)
    return evaluator.evaluate()


def check_instances(folder, name_of, seed):
    """Compare all figures of one random set with those of the official script."""
    truth, photos, scenes = write_scenes(folder, seed)
    evaluator = CityscapesInstanceEvaluator(name_of(gt_dir=str(truth), **CLASSES))
    figures = evaluated(evaluator, photos, [instances(*scene) for scene in scenes])["segm"]
    official = official_instances(folder, truth, scenes)
    expected = {"AP": official["allAp"], "AP50": official["allAp50%"]}
    expected |= {f"AP-{name}": figure["ap"] for name, figure in official["classes"].items()}
    expected |= {f"AP50-{name}": figure["ap50%"] for name, figure in official["classes"].items()}
    np.testing.assert_array_equal([figures[key] for key in expected], [100 * v for v in expected.values()])


def check_labels(folder, name_of, seed):
    """Compare all figures of one random set with those of the official script."""
    truth, photos, scenes = write_scenes(folder, seed)
    rng = np.random.default_rng(seed)
    found = [random_labels(rng, ids) for ids, _ in scenes]
    positions = np.zeros(34, np.int64)
    positions[label_ids(NAMES)] = np.arange(19)
    evaluator = CityscapesSemSegEvaluator(name_of(gt_dir=str(truth), **CLASSES))
    outputs = [{"sem_seg": torch.from_numpy(positions[labels])} for labels in found]
    figures = evaluated(evaluator, photos, outputs)["sem_seg"]
    official = official_labels(folder, truth, found)
    averages = {"IoU": "Classes", "iIoU": "InstClasses", "IoU_sup": "Categories", "iIoU_sup": "InstCategories"}
    expected = {key: official[f"averageScore{name}"] for key, name in averages.items()}
    expected |= {f"IoU-{name}": official["classScores"][name] for name in NAMES}
    expected |= {f"iIoU-{name}": official["classInstScores"][name] for name in THINGS.values()}
    np.testing.assert_array_equal([figures[key] for key in expected], [100 * v for v in expected.values()])
