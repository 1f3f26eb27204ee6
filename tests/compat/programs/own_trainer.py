"""A trainer with own metrics, hooks, mapper and evaluator, on one or several processes."""

import copy
import os
import sys

import torch
from detectron2.data import build_detection_train_loader
from detectron2.data import detection_utils as utils
from detectron2.data import transforms as T
from detectron2.engine import DefaultTrainer, EvalHook, default_argument_parser, default_setup, hooks, launch
from detectron2.evaluation import COCOEvaluator
from detectron2.evaluation.coco_evaluation import instances_to_coco_json
from detectron2.utils import comm
from detectron2.utils.logger import _log_api_usage, setup_logger

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from small_setup import register, small_config


class Invert(T.Augmentation):
    def __init__(self, prob=0.5):
        super().__init__()
        self._init(locals())

    def get_transform(self, img):
        assert img.ndim == 3
        return T.BlendTransform(src_image=255, src_weight=1, dst_weight=-1)


class Mapper:
    def __init__(self, cfg, is_train=True):
        self.tfm_gens = [*utils.build_transform_gen(cfg, is_train), Invert()]

    def __call__(self, dataset_dict):
        dataset_dict = copy.deepcopy(dataset_dict)
        image = utils.read_image(dataset_dict["file_name"], format="BGR")
        utils.check_image_size(dataset_dict, image)
        image, transforms = T.apply_transform_gens(self.tfm_gens, image)
        dataset_dict["image"] = torch.as_tensor(image.transpose(2, 0, 1).copy())
        annos = [
            utils.transform_instance_annotations(obj, transforms, image.shape[:2])
            for obj in dataset_dict.pop("annotations")
        ]
        dataset_dict["instances"] = utils.filter_empty_instances(utils.annotations_to_instances(annos, image.shape[:2]))
        return dataset_dict


class Evaluator(COCOEvaluator):
    def process(self, inputs, outputs):
        for record, output in zip(inputs, outputs, strict=True):
            results = instances_to_coco_json(output["instances"].to(self._cpu_device), record["image_id"])
            self._predictions.append({"image_id": record["image_id"], "instances": results})

    def _derive_coco_results(self, coco_eval, iou_type, class_names=None):
        results = super()._derive_coco_results(coco_eval, iou_type, class_names)
        results["images"] = len(self._coco_api.getImgIds())
        return results


class Trainer(DefaultTrainer):
    @classmethod
    def build_evaluator(cls, cfg, dataset_name):
        return Evaluator(dataset_name, cfg, True, cfg.OUTPUT_DIR)

    @classmethod
    def build_train_loader(cls, cfg):
        return build_detection_train_loader(cfg, mapper=Mapper(cfg))

    def build_hooks(self):
        found = super().build_hooks()
        assert any(isinstance(hook, EvalHook) for hook in found)
        found.insert(-1, hooks.CallbackHook(after_step=lambda trainer: trainer.storage.put_scalar("one", 1.0)))
        return found


def main(args):
    register(args.root)
    cfg = small_config(args.root)
    default_setup(cfg, args)
    _log_api_usage("own_trainer")
    trainer = Trainer(cfg)
    trainer.resume_or_load(resume=args.resume)
    results = trainer.train()
    if comm.is_main_process():
        assert results["segm"]["images"] == 4, results
        print("trained in", comm.get_world_size(), "processes")


if __name__ == "__main__":
    setup_logger()
    parser = default_argument_parser()
    parser.add_argument("--root")
    args = parser.parse_args()
    launch(main, args.num_gpus, args.num_machines, args.machine_rank, args.dist_url, args=(args,))
