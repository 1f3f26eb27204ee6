"""Methods that projects override are called where Detectron2 calls them, with its arguments."""

import collections
import itertools

import numpy as np
import pytest
import torch

from detectory.compat.detectron2 import model_zoo
from detectory.compat.detectron2.checkpoint import DetectionCheckpointer
from detectory.compat.detectron2.data import DatasetMapper, build_detection_test_loader
from detectory.compat.detectron2.data.datasets.lvis_v1_categories import LVIS_CATEGORIES
from detectory.compat.detectron2.data.samplers import RepeatFactorTrainingSampler, TrainingSampler
from detectory.compat.detectron2.engine import DefaultTrainer, SimpleTrainer, hooks
from detectory.compat.detectron2.evaluation import (
    COCOEvaluator,
    COCOPanopticEvaluator,
    LVISEvaluator,
    RotatedCOCOEvaluator,
    SemSegEvaluator,
    inference_on_dataset,
)
from detectory.compat.detectron2.modeling import GeneralizedRCNNWithTTA, build_model
from detectory.compat.detectron2.modeling.matcher import Matcher
from detectory.compat.detectron2.modeling.proposal_generator import RPN
from detectory.compat.detectron2.modeling.roi_heads import CascadeROIHeads, Res5ROIHeads, StandardROIHeads
from detectory.compat.detectron2.structures import Boxes, Instances
from detectory.compat.detectron2.utils.events import CommonMetricPrinter, EventStorage
from detectory.compat.detectron2.utils.video_visualizer import VideoVisualizer


def counting(cls, *names):
    """Return a subclass that counts the calls of methods, and the counter."""
    calls = collections.Counter()

    def counted(name):
        def method(self, *args, **kwargs):
            calls[name] += 1
            return getattr(super(subclass, self), name)(*args, **kwargs)

        return method

    subclass = type(f"Counting{cls.__name__}", (cls,), {name: counted(name) for name in names})
    return subclass, calls


def predict_ground_truth(evaluator, dataset):
    """Let an evaluator process the ground truth of a dataset as predictions."""
    from detectory.compat.detectron2.data import DatasetCatalog

    evaluator.reset()
    for record in DatasetCatalog.get(dataset):
        instances = Instances((record["height"], record["width"]))
        x, y, width, height = record["annotations"][0]["bbox"]
        instances.pred_boxes = Boxes([[x, y, x + width, y + height]])
        instances.scores, instances.pred_classes = torch.ones(1), torch.zeros(1, dtype=torch.int64)
        evaluator.process([record], [{"instances": instances}])
    return evaluator.evaluate()


HOOKS = ("_eval_predictions", "_tasks_from_predictions", "_derive_coco_results")


def test_coco_evaluator_calls_overridden_methods(dataset, tmp_path):
    evaluator_class, calls = counting(COCOEvaluator, *HOOKS)
    results = predict_ground_truth(evaluator_class(dataset, output_dir=str(tmp_path / "out")), dataset)
    assert results["bbox"]["AP"] == pytest.approx(100)
    assert calls == dict.fromkeys(HOOKS, 1)
    assert {path.name for path in (tmp_path / "out").iterdir()} >= {"coco_instances_results.json"}


def test_coco_evaluator_reports_what_an_override_returns(dataset):
    class Evaluator(COCOEvaluator):
        def _derive_coco_results(self, coco_eval, iou_type, class_names=None):
            assert coco_eval.eval["precision"].ndim == 5
            return {"precision shape": coco_eval.stats[0], "classes": class_names}

    assert predict_ground_truth(Evaluator(dataset), dataset)["bbox"]["classes"] == ["rectangle"]


def test_coco_evaluator_has_the_ground_truth_as_coco_object(dataset):
    evaluator = COCOEvaluator(dataset)
    assert len(evaluator._coco_api.getImgIds()) == 4
    assert evaluator._metadata.name == dataset


@pytest.mark.parametrize("evaluator_class", [COCOEvaluator, LVISEvaluator, RotatedCOCOEvaluator])
def test_evaluators_accept_a_config_with_a_warning(cfg, dataset, tmp_path, caplog, evaluator_class):
    evaluator = evaluator_class(dataset, cfg, True, str(tmp_path))
    assert "passing a config is deprecated" in caplog.text
    assert evaluator._tasks is None
    assert evaluator._output_dir == str(tmp_path)


def test_proposals_are_evaluated_in_an_overridable_method(dataset):
    from detectory.compat.detectron2.data import DatasetCatalog

    evaluator_class, calls = counting(COCOEvaluator, "_eval_box_proposals")
    evaluator = evaluator_class(dataset)
    for record in DatasetCatalog.get(dataset):
        x, y, width, height = record["annotations"][0]["bbox"]
        proposals = Instances((64, 96), proposal_boxes=Boxes([[x, y, x + width, y + height]]))
        proposals.objectness_logits = torch.ones(1)
        evaluator.process([record], [{"proposals": proposals}])
    assert evaluator.evaluate()["box_proposals"]["AR@100"] == pytest.approx(100)
    assert calls["_eval_box_proposals"] == 1


def test_lvis_evaluator_calls_overridden_methods(dataset):
    names = ("_eval_predictions", "_tasks_from_predictions")
    evaluator_class, calls = counting(LVISEvaluator, *names)
    evaluator = evaluator_class(dataset)
    for image in evaluator._lvis_api.dataset["images"]:
        image |= {"neg_category_ids": [], "not_exhaustive_category_ids": []}
    for category in evaluator._lvis_api.dataset["categories"]:
        category["frequency"] = "f"
    assert predict_ground_truth(evaluator, dataset)["bbox"]["AP"] == pytest.approx(100)
    assert calls == dict.fromkeys(names, 1)
    assert LVIS_CATEGORIES[0]["frequency"] in "rcf"


def test_rotated_evaluator_calls_overridden_methods(dataset):
    names = ("_eval_predictions", "_evaluate_predictions_on_coco", "_derive_coco_results", "instances_to_json")
    evaluator_class, calls = counting(RotatedCOCOEvaluator, *names)
    assert predict_ground_truth(evaluator_class(dataset), dataset)["bbox"]["AP"] == pytest.approx(100)
    assert calls == {**dict.fromkeys(names, 1), "instances_to_json": 4}


def test_sem_seg_evaluator_exposes_its_confusion_matrix(monkeypatch, tmp_path):
    from detectory.compat.detectron2.data import DatasetCatalog, MetadataCatalog

    labels = np.array([[0, 1], [1, 255]])
    DatasetCatalog.register("two_stuff", lambda: [{"file_name": "a", "sem_seg_file_name": "b"}])
    MetadataCatalog.get("two_stuff").set(stuff_classes=["a", "b"], ignore_label=255)
    evaluator = SemSegEvaluator("two_stuff", True, str(tmp_path), sem_seg_loading_fn=lambda name, dtype: labels)
    scores = torch.nn.functional.one_hot(torch.tensor([[0, 1], [0, 1]]), 2).permute(2, 0, 1)
    evaluator.process([{"file_name": "a"}], [{"sem_seg": scores}])
    assert evaluator._conf_matrix.tolist() == [[1, 1, 0], [0, 1, 1], [0, 0, 0]]
    assert evaluator.evaluate()["sem_seg"]["pACC"] == pytest.approx(200 / 3)
    DatasetCatalog.remove("two_stuff")
    MetadataCatalog.remove("two_stuff")


def test_panoptic_evaluator_converts_segments_in_an_overridable_method():
    from detectory.compat.detectron2.data import MetadataCatalog

    evaluator_class, calls = counting(COCOPanopticEvaluator, "_convert_category_id")
    ids = {"thing_dataset_id_to_contiguous_id": {7: 0}, "stuff_dataset_id_to_contiguous_id": {9: 0}}
    MetadataCatalog.get("panoptic_internals").set(**ids)
    evaluator = evaluator_class("panoptic_internals")
    segments = [{"id": 1, "category_id": 0, "isthing": True}]
    record = {"image_id": 1, "file_name": "a.jpg"}
    evaluator.process([record], [{"panoptic_seg": (torch.ones(2, 2, dtype=torch.int64), segments)}])
    assert calls["_convert_category_id"] == 1
    assert evaluator._thing_contiguous_id_to_dataset_id == {0: 7}
    MetadataCatalog.remove("panoptic_internals")


def batches():
    return itertools.repeat(torch.ones(2, 3))


class Model(torch.nn.Linear):
    def forward(self, batch):
        return {"loss": super().forward(batch).square().mean()}


def test_simple_trainer_calls_write_metrics():
    trainer_class, calls = counting(SimpleTrainer, "_write_metrics")
    model = Model(3, 1)
    trainer = trainer_class(model, batches(), torch.optim.SGD(model.parameters(), 0.1))
    trainer.train(0, 3)
    assert calls["_write_metrics"] == 3


def test_simple_trainer_reads_batches_from_its_iterator():
    class Trainer(SimpleTrainer):
        def run_step(self):
            losses = self.model(next(self._data_loader_iter))
            self.optimizer.zero_grad()
            losses["loss"].backward()
            self._write_metrics(losses, 0.0)
            self.optimizer.step()

    model = Model(3, 1)
    with EventStorage():
        trainer = Trainer(model, batches(), torch.optim.SGD(model.parameters(), 0.1))
        trainer.train(0, 2)
    assert trainer.storage.history("total_loss").latest() >= 0


def test_default_trainer_calls_every_builder(cfg):
    builders = ("build_model", "build_optimizer", "build_lr_scheduler", "build_train_loader")
    calls = collections.Counter()

    def count(name):
        def method(cls, *args):
            calls[name] += 1
            return getattr(super(Trainer, cls), name)(*args)

        return classmethod(method)

    class Trainer(DefaultTrainer):
        @staticmethod
        def auto_scale_workers(cfg, num_workers):
            calls["auto_scale_workers"] += 1
            return DefaultTrainer.auto_scale_workers(cfg, num_workers)

    for name in builders:
        setattr(Trainer, name, count(name))
    trainer = Trainer(cfg)
    assert calls == dict.fromkeys((*builders, "auto_scale_workers"), 1)
    assert isinstance(trainer._trainer, SimpleTrainer)


def test_eval_hook_evaluates_in_do_eval():
    hook_class, calls = counting(hooks.EvalHook, "_do_eval")
    model = Model(3, 1)
    trainer = SimpleTrainer(model, batches(), torch.optim.SGD(model.parameters(), 0.1))
    trainer.register_hooks([hook_class(2, lambda: {"AP": 1.0})])
    trainer.train(0, 4)
    assert calls["_do_eval"] == 2


def test_checkpointer_calls_overridden_methods(tmp_path):
    names = ("_load_file", "_torch_load", "_load_model", "_convert_ndarray_to_tensor", "_log_incompatible_keys")
    checkpointer_class, calls = counting(DetectionCheckpointer, *names)
    model = Model(3, 1)
    torch.save({"model": {"weight": torch.full((1, 3), 2.0), "more": np.zeros(1)}}, tmp_path / "model.pth")
    checkpointer_class(model).load(str(tmp_path / "model.pth"))
    assert calls == dict.fromkeys(names, 1)
    assert model.weight.tolist() == [[2.0, 2.0, 2.0]]


def test_checkpointer_resumes_from_the_file_that_an_override_returns(tmp_path):
    class Checkpointer(DetectionCheckpointer):
        def get_checkpoint_file(self):
            return str(tmp_path / "elsewhere.pth")

    torch.save({"model": {"weight": torch.full((1, 3), 2.0)}, "iteration": 7}, tmp_path / "elsewhere.pth")
    checkpointer = Checkpointer(Model(3, 1), str(tmp_path / "output"))
    assert checkpointer.resume_or_load("", resume=True)["iteration"] == 7
    assert checkpointer.resumed_from == str(tmp_path / "elsewhere.pth")
    assert checkpointer.resume_or_load("", resume=False) == {}


def test_checkpointer_of_one_process_does_not_wait_for_others(monkeypatch, tmp_path):
    monkeypatch.setattr("detectory.core.checkpoint.detection_checkpointer.get_world_size", lambda: 2)
    monkeypatch.setattr("detectory.core.checkpoint.detection_checkpointer.all_gather", pytest.fail)
    torch.save({"model": {"weight": torch.full((1, 3), 2.0)}}, tmp_path / "model.pth")
    model = Model(3, 1)
    DetectionCheckpointer(model).load(str(tmp_path / "model.pth"))
    assert model.weight[0, 0] == 2


def test_checkpointer_override_changes_the_checkpoint(tmp_path):
    class Checkpointer(DetectionCheckpointer):
        def _load_model(self, checkpoint):
            checkpoint["model"] = {f"{name[4:]}": value for name, value in checkpoint["model"].items()}
            incompatible = super()._load_model(checkpoint)
            assert (incompatible.missing_keys, incompatible.unexpected_keys) == (["bias"], [])
            return incompatible

    model = Model(3, 1)
    torch.save({"model": {"old.weight": torch.full((1, 3), 2.0)}, "iteration": 7}, tmp_path / "model.pth")
    assert Checkpointer(model).load(str(tmp_path / "model.pth"))["iteration"] == 7
    assert model.weight[0, 0] == 2


TTA = (
    *("_inference_one_image", "_get_augmented_inputs", "_get_augmented_boxes", "_batch_inference"),
    *("_merge_detections", "_rescale_detected_boxes", "_reduce_pred_masks", "_turn_off_roi_heads"),
)


def test_tta_model_calls_overridden_methods(cfg):
    cfg.merge_from_list(["MODEL.MASK_ON", True, "TEST.AUG.MIN_SIZES", (32, 48), "MODEL.ROI_MASK_HEAD.CONV_DIM", 8])
    cfg.MODEL.ROI_HEADS.SCORE_THRESH_TEST = 0.0
    tta_class, calls = counting(GeneralizedRCNNWithTTA, *TTA)
    model = tta_class(cfg, build_model(cfg).eval())
    image = torch.randint(0, 255, (3, 32, 48), dtype=torch.uint8)
    instances = model([{"image": image, "height": 64, "width": 96}])[0]["instances"]
    assert instances.image_size == (64, 96)
    assert instances.pred_masks.shape == (len(instances), 64, 96)
    assert calls == {**dict.fromkeys(TTA, 1), "_batch_inference": 2}


def batch_of(cfg):
    instances = Instances((64, 96), gt_boxes=Boxes([[10.0, 10, 50, 50]]), gt_classes=torch.tensor([0]))
    return [{"image": torch.zeros(3, 64, 96), "instances": instances}]


def replaced(module, cls):
    module.__class__ = cls
    return module


@pytest.mark.parametrize("training", [True, False], ids=["training", "inference"])
def test_standard_heads_call_overridden_methods(cfg, training):
    names = ("_forward_box", "_forward_mask", "_forward_keypoint")
    if training:
        names += ("label_and_sample_proposals", "_sample_proposals")
    heads_class, calls = counting(StandardROIHeads, *names)
    model = build_model(cfg).train(training)
    replaced(model.roi_heads, heads_class)
    with EventStorage():
        model(batch_of(cfg))
    assert calls == dict.fromkeys(names, 1)


def test_cascade_heads_call_overridden_methods(cfg):
    names = ("_forward_box", "_run_stage", "_create_proposals_from_boxes", "_match_and_label_boxes")
    cfg.merge_from_list(["MODEL.ROI_HEADS.NAME", "CascadeROIHeads", "MODEL.ROI_BOX_HEAD.CLS_AGNOSTIC_BBOX_REG", True])
    heads_class, calls = counting(CascadeROIHeads, *names)
    model = build_model(cfg)
    replaced(model.roi_heads, heads_class)
    with EventStorage():
        model(batch_of(cfg))
    counts = {"_forward_box": 1, "_run_stage": 3, "_create_proposals_from_boxes": 2, "_match_and_label_boxes": 2}
    assert calls == counts


def test_res5_heads_call_the_shared_transform():
    cfg = model_zoo.get_config("COCO-InstanceSegmentation/mask_rcnn_R_50_C4_1x.yaml")
    cfg.MODEL.DEVICE, cfg.MODEL.RESNETS.NORM = "cpu", "FrozenBN"
    cfg.MODEL.RPN.POST_NMS_TOPK_TEST = 5
    cfg.MODEL.ROI_HEADS.SCORE_THRESH_TEST = 0.0
    heads_class, calls = counting(Res5ROIHeads, "_shared_roi_transform")
    model = build_model(cfg).eval()
    replaced(model.roi_heads, heads_class)
    with torch.no_grad():
        model([{"image": torch.zeros(3, 64, 64)}])
    assert calls["_shared_roi_transform"] == 2


def test_rpn_calls_overridden_methods(cfg):
    names = ("_decode_proposals", "_subsample_labels", "label_and_sample_anchors", "losses", "predict_proposals")
    rpn_class, calls = counting(RPN, *names)
    torch.manual_seed(0)
    model = build_model(cfg)
    with EventStorage(), torch.no_grad():
        torch.manual_seed(1)
        expected = model(batch_of(cfg))
        replaced(model.proposal_generator, rpn_class)
        torch.manual_seed(1)
        losses = model(batch_of(cfg))
    assert calls == dict.fromkeys(names, 1)
    assert {name: float(loss) for name, loss in losses.items()} == pytest.approx(
        {name: float(loss) for name, loss in expected.items()}
    )


def test_mapper_calls_transform_annotations(cfg, dataset):
    from detectory.compat.detectron2.data import DatasetCatalog

    mapper_class, calls = counting(DatasetMapper, "_transform_annotations")
    assert len(mapper_class(cfg, True)(DatasetCatalog.get(dataset)[0])["instances"]) == 1
    assert calls["_transform_annotations"] == 1


def test_metric_printer_calls_get_eta(caplog):
    class Printer(CommonMetricPrinter):
        def _get_eta(self, storage):
            return "soon"

    caplog.set_level("INFO", "detectron2")
    with EventStorage() as storage:
        storage.put_scalars(total_loss=1.0, **{"[metric]/recall": 0.5})
        Printer(10).write()
    assert "eta: soon  iter: 0  total_loss: 1  [metric]/recall: 0.5" in caplog.text


def test_video_visualizer_assigns_colours_in_overridable_methods():
    class Red(VideoVisualizer):
        def _assign_colors(self, instances):
            assert [instance.label for instance in instances] == [3]
            return [(1.0, 0.0, 0.0)]

        def _assign_colors_by_id(self, instances):
            return [(0.0, 1.0, 0.0)]

    predictions = Instances((20, 20), pred_boxes=Boxes([[2, 2, 18, 18]]), pred_classes=torch.tensor([3]))
    visualizer, frame = Red(None), np.zeros((20, 20, 3), np.uint8)
    red = visualizer.draw_instance_predictions(frame, predictions).get_image()
    predictions.ID = [5]
    green = visualizer.draw_instance_predictions(frame, predictions).get_image()
    assert red[..., 0].max() > red[..., 1].max()
    assert green[..., 1].max() > green[..., 0].max()


def test_matcher_makes_anchors_without_overlap_positive():
    quality = torch.tensor([[0.0, 0.0, 0.0], [0.9, 0.1, 0.0]])
    labels = Matcher([0.3, 0.7], [0, -1, 1], allow_low_quality_matches=True)(quality)[1]
    assert labels.tolist() == [1, 1, 1]
    assert Matcher([0.5], [0, 1])(quality)[1].tolist() == [1, 0, 0]


def test_evaluation_of_a_model_uses_the_overridden_evaluator(cfg, dataset):
    evaluator_class, calls = counting(COCOEvaluator, "process", "evaluate")
    model = build_model(cfg).eval()
    inference_on_dataset(model, build_detection_test_loader(cfg, dataset), evaluator_class(dataset))
    assert calls == {"process": 4, "evaluate": 1}


def test_training_sampler_calls_overridden_indices():
    class Descending(TrainingSampler):
        def _infinite_indices(self):
            while True:
                yield from range(self.size - 1, -1, -1)

    assert list(itertools.islice(Descending(3), 5)) == [2, 1, 0, 2, 1]


def test_repeat_factor_sampler_calls_overridden_epochs():
    class Doubled(RepeatFactorTrainingSampler):
        def _get_epoch_indices(self, generator):
            return super()._get_epoch_indices(generator).repeat(2)

    sampler = Doubled(torch.ones(2), shuffle=False)
    assert list(itertools.islice(sampler, 4)) == [0, 1, 0, 1]


def test_anchor_generator_has_grid_anchors(cfg):
    generator = build_model(cfg).proposal_generator.anchor_generator
    sizes = [(8, 12), (4, 6), (2, 3), (1, 2), (1, 1)]
    anchors = generator([torch.zeros(1, 1, *size) for size in sizes])
    grids = generator._grid_anchors(sizes)
    assert all(torch.equal(level.tensor, grid) for level, grid in zip(anchors, grids, strict=True))
