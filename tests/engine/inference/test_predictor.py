"""Predictor on files and arrays, single and batched, with outputs at the original size."""

import numpy as np
import pytest
import torch
from PIL import Image
from tests.modeling import tiny_models
from torch import nn

from detectory.data.transforms import ResizeShortestEdge
from detectory.engine import Predictor, instances_of
from detectory.structures import Boxes, Instances


class Brightest(nn.Module):
    """Detects one box, the whole image, with the mean of the first channel as its score."""

    input_format = "BGR"

    def forward(self, inputs):
        self.shapes = [tuple(item["image"].shape) for item in inputs]
        outputs = []
        for item in inputs:
            size = item["height"], item["width"]
            score = item["image"][0].mean() / 255
            box = Boxes(torch.tensor([[0.0, 0.0, size[1], size[0]]]))
            outputs.append({"instances": Instances(size, pred_boxes=box, scores=score[None])})
        return outputs


@pytest.fixture
def predictor():
    return Predictor(Brightest(), ResizeShortestEdge(32, 64))


def blue(height=20, width=30):
    return np.full((height, width, 3), (0, 0, 255), np.uint8)


def test_converts_rgb_arrays_for_bgr_models(predictor):
    assert predictor.predict(blue()).scores.tolist() == [1.0]


def test_outputs_have_the_original_image_size(predictor):
    found = predictor.predict(blue(20, 30))
    assert found.image_size == (20, 30)
    assert predictor.model.shapes == [(3, 32, 48)]


def test_a_file_and_its_pixels_have_the_same_outputs(predictor, tmp_path):
    Image.fromarray(blue()).save(tmp_path / "blue.png")
    assert predictor.predict(tmp_path / "blue.png").scores.tolist() == [1.0]


def test_predicts_files_in_order_and_in_batches(predictor, tmp_path):
    paths = [tmp_path / f"{number}.png" for number in range(5)]
    for number, path in enumerate(paths):
        Image.fromarray(np.full((8, 8, 3), number * 51, np.uint8)).save(path)
    results = list(predictor.predict_files(paths, batch_size=2))
    assert [path for path, _ in results] == paths
    assert [round(float(outputs["instances"].scores) * 5) for _, outputs in results] == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("mix_sizes", [False, True])
def test_batches_images_by_padded_size_unless_sizes_may_mix(mix_sizes):
    predictor = Predictor(Brightest(), ResizeShortestEdge(32, 64), mix_sizes=mix_sizes)
    outputs = predictor.predict_batch([blue(20, 30), blue(30, 20), blue(40, 60)])
    assert [output["instances"].image_size for output in outputs] == [(20, 30), (30, 20), (40, 60)]
    assert len(predictor.model.shapes) == (3 if mix_sizes else 1)


@pytest.mark.parametrize("name", ["mask rcnn", "cascade", "retinanet", "fcos", "panoptic"])
def test_a_batch_of_several_sizes_equals_single_images(name):
    model = tiny_models.MODELS[name]()
    if hasattr(model, "head"):
        model.test_score_thresh = 0.0
    predictor = Predictor(model, ResizeShortestEdge(64, 96))
    images = [np.random.randint(0, 256, (*size, 3), dtype=np.uint8) for size in ((64, 90), (90, 60), (60, 85))]
    together, alone = predictor.predict_batch(images), [predictor(image) for image in images]
    for a, b in zip(together, alone, strict=True):
        a, b = a["instances"], b["instances"]
        assert len(a) > 0
        assert torch.allclose(a.scores, b.scores, atol=1e-4)
        assert torch.allclose(a.pred_boxes.tensor / 96, b.pred_boxes.tensor / 96, atol=1e-4)


def test_yields_the_error_of_an_unreadable_file_and_continues(predictor, tmp_path):
    (tmp_path / "broken.jpg").write_bytes(b"\xff\xd8\xff not an image")
    Image.fromarray(blue()).save(tmp_path / "good.png")
    results = list(predictor.predict_files([tmp_path / "broken.jpg", tmp_path / "good.png"], batch_size=2))
    assert isinstance(results[0][1], Exception)
    assert "broken.jpg" in str(results[0][1])
    assert results[1][1]["instances"].scores.tolist() == [1.0]


def test_removes_detections_below_the_threshold(predictor):
    assert len(predictor.predict(blue() // 2, threshold=0.9)) == 0


def test_rejects_an_array_that_is_not_rgb(predictor):
    with pytest.raises(ValueError, match=r"an array must have shape .*, got \(4, 4, 2\)"):
        predictor.predict(np.zeros((4, 4, 2)))


def test_rejects_outputs_without_instances():
    with pytest.raises(TypeError, match="must contain 'instances', got sem_seg"):
        instances_of({"sem_seg": torch.zeros(1)})
