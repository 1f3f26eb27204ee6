"""Test-time augmentation: merged boxes and averaged masks at the original image size."""

import pytest
import torch
from PIL import Image
from tests.modeling import tiny_models
from torch import nn

from detectory.data.transforms import RotationTransform, VFlipTransform
from detectory.engine import DatasetMapperTTA, GeneralizedRCNNWithTTA, Predictor
from detectory.engine.inference.test_time_augmentation import mirrored_axes


@pytest.fixture
def model():
    model = tiny_models.rcnn().eval()
    # An untrained model has uniform scores; large weights make scores and masks vary over the image.
    model.roi_heads.box_predictor.cls_score.weight.data.normal_(std=2.0)
    model.roi_heads.mask_head.predictor.weight.data.normal_(std=20.0)
    model.roi_heads.box_predictor.test_score_thresh = 0.3
    return model


def random_image(height=64, width=96):
    return torch.randint(0, 256, (3, height, width), dtype=torch.uint8)


def detect(model, image, **size):
    with torch.no_grad():
        return model([{"image": image, **size}])[0]["instances"]


def test_one_size_without_flip_equals_plain_inference(model):
    image, size = random_image(), {"height": 128, "width": 192}
    plain = detect(model, image, **size)
    found = detect(GeneralizedRCNNWithTTA(model, DatasetMapperTTA([64], flip=False)), image, **size)
    assert len(plain) > 3
    assert torch.equal(found.pred_classes, plain.pred_classes)
    assert torch.equal(found.scores, plain.scores)
    assert torch.allclose(found.pred_boxes.tensor, plain.pred_boxes.tensor, atol=1e-3)
    assert 0.01 < plain.pred_masks.float().mean() < 0.9
    assert (found.pred_masks != plain.pred_masks).float().mean() < 1e-3


def test_a_mirrored_image_has_mirrored_detections(model):
    augmented, image = GeneralizedRCNNWithTTA(model, DatasetMapperTTA([48, 64])), random_image()
    found, mirrored = detect(augmented, image), detect(augmented, image.flip(2))
    assert torch.allclose(found.scores, mirrored.scores, atol=1e-5)
    back = mirrored.pred_boxes.tensor[:, [2, 1, 0, 3]] * torch.tensor([-1, 1, -1, 1]) + torch.tensor([96, 0, 96, 0])
    assert torch.allclose(found.pred_boxes.tensor, back, atol=1e-3)
    assert (found.pred_masks != mirrored.pred_masks.flip(2)).float().mean() < 1e-2


def test_detections_of_several_versions_are_suppressed_together(model):
    image = random_image()
    *every, found = (
        detect(GeneralizedRCNNWithTTA(model, DatasetMapperTTA(sizes), batch_size=1), image)
        for sizes in ([64], [65], [66], [64, 65, 66])
    )
    assert len(found) < sum(len(one) for one in every)
    assert found.scores[0] == pytest.approx(max(float(one.scores[0]) for one in every), abs=1e-4)
    model.roi_heads.box_predictor.test_topk_per_image = 2
    assert len(detect(GeneralizedRCNNWithTTA(model, DatasetMapperTTA([64, 65])), image)) == 2


def test_mapper_returns_each_size_and_its_mirror_image():
    item = {"image": random_image(40, 60), "height": 80, "width": 120, "image_id": 7}
    versions = DatasetMapperTTA([20, 40], max_size=45)(item)
    assert [tuple(v["image"].shape) for v in versions] == [(3, 20, 30)] * 2 + [(3, 30, 45)] * 2
    assert torch.equal(versions[1]["image"], versions[0]["image"].flip(2))
    corner = [v["transforms"].apply_coords([[120.0, 80.0]]).round(4).tolist() for v in versions]
    assert corner == [[[30, 20]], [[0, 20]], [[45, 30]], [[0, 30]]]
    assert all(v["image_id"] == 7 and v["height"] == 80 for v in versions)


def test_an_image_without_detections_has_empty_masks(model):
    model.roi_heads.box_predictor.test_score_thresh = 1.0
    found = detect(GeneralizedRCNNWithTTA(model, DatasetMapperTTA([64])), random_image())
    assert found.pred_masks.shape == (0, 64, 96)
    assert model.roi_heads.mask_on


def test_supports_models_without_masks_and_cascades():
    for heads in (tiny_models.standard_heads(mask=False), tiny_models.cascade_heads()):
        model = tiny_models.rcnn(heads).eval()
        found = detect(GeneralizedRCNNWithTTA(model, DatasetMapperTTA([64])), random_image())
        assert found.has("pred_masks") == heads.mask_on
        assert len(found) > 0


def test_reads_files_and_works_with_the_predictor(model, tmp_path):
    array = random_image().permute(1, 2, 0).numpy()
    Image.fromarray(array).save(tmp_path / "a.png")
    augmented = GeneralizedRCNNWithTTA(model, DatasetMapperTTA([64]))
    with torch.no_grad():
        found = augmented([{"file_name": str(tmp_path / "a.png")}])[0]["instances"]
    assert found.image_size == (64, 96)
    assert len(Predictor(augmented).predict(array)) > 0


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: tiny_models.retinanet(), "must be a GeneralizedRCNN, got RetinaNet"),
        (
            lambda: tiny_models.rcnn(tiny_models.standard_heads(mask=False, keypoints=True)),
            "must not predict keypoints",
        ),
        (lambda: tiny_models.rotated_rcnn(), "must not predict rotated boxes"),
        (lambda: nn.Linear(1, 1), "must be a GeneralizedRCNN, got Linear"),
    ],
    ids=["dense", "keypoints", "rotated", "no detector"],
)
def test_rejects_models_that_cannot_be_merged(build, message):
    with pytest.raises((TypeError, ValueError), match=message):
        GeneralizedRCNNWithTTA(build())


def test_rejects_transforms_that_rotate_masks():
    assert mirrored_axes(VFlipTransform(10)) == [2]
    with pytest.raises(ValueError, match="rotate images"):
        mirrored_axes(RotationTransform(10, 10, 30))
