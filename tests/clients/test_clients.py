"""Packages that use Detectron2 run unchanged on `detectory.compat.detectron2`.

Each test skips if its package is missing; `nox -s clients` installs all packages and sets `DETECTORY_CLIENTS`. Weights
are random, and the network is not used.
"""

import os

import numpy as np
import pytest
import torch

if os.environ.get("DETECTORY_CLIENTS") != "1":
    pytest.skip("needs its own process, in which detectron2 is installed: nox -s clients", allow_module_level=True)


def test_sahi_predicts_whole_and_sliced_images(detector, image, detections):
    sahi = pytest.importorskip("sahi", reason="sahi is not installed")
    from sahi.predict import get_prediction, get_sliced_prediction

    model = sahi.AutoDetectionModel.from_pretrained(
        model_type="detectron2",
        model_path=detector.weights,
        config_path=detector.config,
        confidence_threshold=0.0,
        device="cpu",
        image_size=128,
    )
    rgb = np.ascontiguousarray(image[:, :, ::-1])  # sahi converts to the BGR that `DefaultPredictor` takes
    whole = get_prediction(rgb, model).object_prediction_list
    assert len(whole) == len(detections) > 0
    sliced = get_sliced_prediction(image, model, slice_height=96, slice_width=96, verbose=0).object_prediction_list
    assert {prediction.category.id for prediction in sliced} <= {0, 1}
    assert len(sliced) > 0


def test_supervision_converts_detections(detections):
    supervision = pytest.importorskip("supervision", reason="supervision is not installed")
    converted = supervision.Detections.from_detectron2({"instances": detections})
    assert np.array_equal(converted.xyxy, detections.pred_boxes.tensor.numpy())
    assert np.array_equal(converted.confidence, detections.scores.numpy())


def test_layoutparser_detects_layouts(detector, image, detections):
    layoutparser = pytest.importorskip("layoutparser", reason="layoutparser is not installed")
    model = layoutparser.Detectron2LayoutModel(
        detector.config, model_path=detector.weights, label_map={0: "Text", 1: "Table"}, enforce_cpu=True
    )
    layout = model.detect(image)
    assert len(layout) == len(detections)
    assert {block.type for block in layout} <= {"Text", "Table"}


def test_deepdoctection_detects_layouts(detector, image, detections):
    detect = pytest.importorskip("deepdoctection.extern.d2detect", reason="deepdoctection is not installed")
    categories = {1: "text", 2: "table"}
    model = detect.D2FrcnnDetector(detector.config, detector.weights, categories, device="cpu")
    results = model.predict(image)
    assert results
    assert {result.class_id for result in results} <= {1, 2}


def test_layoutlmv2_of_transformers_reads_images():
    transformers = pytest.importorskip("transformers", reason="transformers is not installed")
    from detectory.compat.detectron2 import install

    install()
    config = transformers.LayoutLMv2Config(
        hidden_size=36,
        num_hidden_layers=1,
        num_attention_heads=4,
        intermediate_size=32,
        vocab_size=100,
        coordinate_size=6,
        shape_size=6,
        image_feature_pool_shape=[7, 7, 256],
    )
    model = transformers.LayoutLMv2Model(config).eval()
    with torch.no_grad():
        output = model(
            input_ids=torch.randint(0, 99, (1, 5)),
            bbox=torch.zeros(1, 5, 4, dtype=torch.int64),
            image=torch.randint(0, 255, (1, 3, 224, 224)).float(),
        )
    assert output.last_hidden_state.shape == (1, 5 + 49, 36)
