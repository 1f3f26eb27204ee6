"""Test-time augmentation by a subclass, evaluated in a classmethod of the trainer."""

import os
import sys
from collections import OrderedDict

import torch
from detectron2.data import transforms as T
from detectron2.engine import DefaultTrainer, default_setup, hooks
from detectron2.evaluation import COCOEvaluator
from detectron2.modeling import DatasetMapperTTA, GeneralizedRCNNWithTTA
from detectron2.modeling.roi_heads.fast_rcnn import fast_rcnn_inference_single_image
from detectron2.structures import Boxes, Instances
from detectron2.utils import comm
from fvcore.transforms import HFlipTransform, NoOpTransform

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from small_setup import register, small_config, start


class Mapper(DatasetMapperTTA):
    def __call__(self, dataset_dict):
        found = super().__call__(dataset_dict)
        assert all(isinstance(item["transforms"], T.TransformList) for item in found)
        return found[: len(self.min_sizes)]


class Merged(GeneralizedRCNNWithTTA):
    def __init__(self, cfg, model, tta_mapper=None, batch_size=2):
        super().__init__(cfg, model, tta_mapper or Mapper(cfg), batch_size)

    def _get_augmented_boxes(self, augmented_inputs, tfms):
        outputs = self._batch_inference(augmented_inputs)
        all_boxes, all_scores, all_classes = [], [], []
        for output, tfm in zip(outputs, tfms, strict=True):
            boxes = output.pred_boxes.tensor
            all_boxes.append(torch.from_numpy(tfm.inverse().apply_box(boxes.cpu().numpy())).to(boxes.device))
            all_scores.extend(output.scores)
            all_classes.extend(output.pred_classes)
        return torch.cat(all_boxes, dim=0), all_scores, all_classes

    def _merge_detections(self, all_boxes, all_scores, all_classes, shape_hw):
        count, classes = len(all_boxes), self.cfg.MODEL.ROI_HEADS.NUM_CLASSES
        scores = torch.zeros(count, classes + 1)
        for index, (label, score) in enumerate(zip(all_classes, all_scores, strict=True)):
            scores[index, label] = score
        merged, _ = fast_rcnn_inference_single_image(all_boxes, scores, shape_hw, 1e-8, 0.5, 10)
        assert isinstance(merged.pred_boxes, Boxes)
        return merged

    def _inference_one_image(self, input):
        output = super()._inference_one_image(input)
        assert isinstance(output["instances"], Instances)
        return output


class Trainer(DefaultTrainer):
    @classmethod
    def build_evaluator(cls, cfg, dataset_name, output_folder=None):
        return COCOEvaluator(dataset_name, output_dir=output_folder or os.path.join(cfg.OUTPUT_DIR, "inference"))

    @classmethod
    def test_with_TTA(cls, cfg, model):
        model = Merged(cfg, model)
        evaluators = [cls.build_evaluator(cfg, name) for name in cfg.DATASETS.TEST]
        return OrderedDict((k + "_TTA", v) for k, v in cls.test(cfg, model, evaluators).items())


def main(args):
    register(args.root)
    cfg = small_config(args.root)
    cfg.TEST.AUG.ENABLED, cfg.TEST.AUG.MIN_SIZES, cfg.SOLVER.MAX_ITER = True, (48, 64), 1
    default_setup(cfg, args)
    trainer = Trainer(cfg)
    trainer.resume_or_load(resume=args.resume)
    trainer.register_hooks([hooks.EvalHook(0, lambda: trainer.test_with_TTA(cfg, trainer.model))])
    trainer.train()
    if comm.is_main_process():
        assert "bbox_TTA/AP" in trainer.storage.latest(), trainer.storage.latest().keys()
    assert isinstance(HFlipTransform(4).inverse(), HFlipTransform)
    assert isinstance(NoOpTransform(), T.Transform)


if __name__ == "__main__":
    start(main)
