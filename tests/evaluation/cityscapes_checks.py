"""Comparison of the Cityscapes evaluators with the official scripts on one random split."""

import numpy as np
import torch
from cityscapes_scenes import NAMES, THINGS, official_instances, official_labels, random_labels, write_scenes

from detectory.evaluation import CityscapesInstanceEvaluator, CityscapesSemSegEvaluator
from detectory.evaluation.cityscapes.labels import label_ids
from detectory.structures import Instances

CLASSES = {"thing_classes": list(THINGS.values()), "stuff_classes": NAMES}


def outputs_of(ids, masks):
    instances = Instances(ids.shape)
    instances.pred_masks = torch.from_numpy(np.array([m for m, _, _ in masks]).reshape(-1, *ids.shape).astype(bool))
    instances.pred_classes = torch.tensor([list(THINGS).index(label) for _, label, _ in masks], dtype=torch.int64)
    instances.scores = torch.tensor([score for _, _, score in masks], dtype=torch.float64)
    return {"instances": instances}


def evaluated(evaluator, names, outputs):
    evaluator.reset()
    evaluator.process([{"file_name": name} for name in names], outputs)
    return evaluator.evaluate()


def check_instances(folder, registered, seed):
    """Compare all instance metrics of one random split with the official script."""
    ground_truth, names, scenes = write_scenes(folder, seed)
    evaluator = CityscapesInstanceEvaluator(registered(gt_dir=str(ground_truth), **CLASSES))
    metrics = evaluated(evaluator, names, [outputs_of(*scene) for scene in scenes])["segm"]
    official = official_instances(folder, ground_truth, scenes)
    expected = {"AP": official["allAp"], "AP50": official["allAp50%"]}
    expected |= {f"AP-{name}": values["ap"] for name, values in official["classes"].items()}
    expected |= {f"AP50-{name}": values["ap50%"] for name, values in official["classes"].items()}
    np.testing.assert_array_equal([metrics[key] for key in expected], [100 * v for v in expected.values()])


def check_labels(folder, registered, seed):
    """Compare all label metrics of one random split with the official script."""
    ground_truth, names, scenes = write_scenes(folder, seed)
    rng = np.random.default_rng(seed)
    predicted = [random_labels(rng, ids) for ids, _ in scenes]
    indices = np.zeros(34, np.int64)
    indices[label_ids(NAMES)] = np.arange(19)
    evaluator = CityscapesSemSegEvaluator(registered(gt_dir=str(ground_truth), **CLASSES))
    outputs = [{"sem_seg": torch.from_numpy(indices[labels])} for labels in predicted]
    metrics = evaluated(evaluator, names, outputs)["sem_seg"]
    official = official_labels(folder, ground_truth, predicted)
    averages = {"IoU": "Classes", "iIoU": "InstClasses", "IoU_sup": "Categories", "iIoU_sup": "InstCategories"}
    expected = {key: official[f"averageScore{name}"] for key, name in averages.items()}
    expected |= {f"IoU-{name}": official["classScores"][name] for name in NAMES}
    expected |= {f"iIoU-{name}": official["classInstScores"][name] for name in THINGS.values()}
    np.testing.assert_array_equal([metrics[key] for key in expected], [100 * v for v in expected.values()])
