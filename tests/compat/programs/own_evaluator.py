"""Evaluator subclasses that replace the evaluation of predictions and the table of results."""

import copy
import os
import sys
from collections import OrderedDict

import numpy as np
import torch
from detectron2.data import MetadataCatalog, build_detection_test_loader
from detectron2.evaluation import (
    COCOEvaluator,
    DatasetEvaluator,
    DatasetEvaluators,
    inference_on_dataset,
    print_csv_format,
    verify_results,
)
from detectron2.evaluation.coco_evaluation import COCOeval_opt, _evaluate_predictions_on_coco
from detectron2.modeling import build_model
from detectron2.utils import comm
from detectron2.utils.file_io import PathManager
from detectron2.utils.logger import create_small_table

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from small_setup import register, small_config, start


class PerImage(COCOEvaluator):
    def _eval_predictions(self, predictions, img_ids=None):
        self._logger.info("preparing results ...")
        results = [entry for prediction in predictions for entry in prediction["instances"]]
        tasks = self._tasks or self._tasks_from_predictions(results)
        mapping = self._metadata.thing_dataset_id_to_contiguous_id
        inverse = {v: k for k, v in mapping.items()}
        for entry in results:
            entry["category_id"] = inverse[entry["category_id"]]
        if self._output_dir:
            with PathManager.open(os.path.join(self._output_dir, "mine.json"), "w") as file:
                file.write(str(len(results)))
        for task in sorted(tasks):
            coco_eval = (
                _evaluate_predictions_on_coco(self._coco_api, copy.deepcopy(results), task, img_ids=img_ids)
                if results
                else None
            )
            names = self._metadata.get("thing_classes")
            self._results[task] = self._derive_coco_results(coco_eval, task, class_names=names)

    def _derive_coco_results(self, coco_eval, iou_type, class_names=None):
        results = super()._derive_coco_results(coco_eval, iou_type, class_names)
        if coco_eval is not None:
            assert isinstance(coco_eval, COCOeval_opt)
            recall = coco_eval.eval["recall"][:, :, 0, -1]
            results["recall"] = float(np.mean(recall[recall > -1]) * 100)
        self._logger.info("\n" + create_small_table(results))
        return results


class Count(DatasetEvaluator):
    def reset(self):
        self.counts = []

    def process(self, inputs, outputs):
        self.counts += [len(output["instances"]) for output in outputs]

    def evaluate(self):
        counts = comm.gather(self.counts, dst=0)
        if comm.is_main_process():
            return OrderedDict(count={"images": sum(len(part) for part in counts)})
        return None


def main(args):
    register(args.root)
    cfg = small_config(args.root)
    torch.manual_seed(0)
    model = build_model(cfg).eval()
    evaluators = DatasetEvaluators([PerImage("rectangles", output_dir=args.root), Count()])
    results = inference_on_dataset(model, build_detection_test_loader(cfg, "rectangles"), evaluators)
    if comm.is_main_process():
        assert results["count"] == {"images": 4}
        assert {"AP", "recall"} <= set(results["segm"]), results
        assert os.path.isfile(os.path.join(args.root, "mine.json"))
        print_csv_format(results)
        cfg.defrost()
        cfg.TEST.EXPECTED_RESULTS = [["count", "images", 4, 0.1]]
        assert verify_results(cfg, results)
    assert MetadataCatalog.get("rectangles").evaluator_type == "coco"


if __name__ == "__main__":
    start(main)
