"""Round trips of predictions through records, LabelMe files and YOLO files."""

import numpy as np
import pytest
import torch
from PIL import Image

from detectory.data.formats.labelme.reader import load_labelme
from detectory.data.formats.labelme.writer import write_labelme
from detectory.data.formats.yolo.reader import load_yolo
from detectory.data.formats.yolo.writer import write_yolo
from detectory.data.predictions import predictions_to_record, record_to_predictions
from detectory.structures import BitMasks, Boxes, Instances, RotatedBoxes

SIZE = (20, 30)
NAMES = ["cat", "dog"]


@pytest.fixture
def predictions():
    """Two predictions with masks that are not rectangles."""
    masks = torch.zeros(2, *SIZE, dtype=torch.bool)
    masks[0, 2:8, 3:9], masks[0, 2:4, 3:5] = True, False
    masks[1, 5:15, 10:28] = True
    boxes = Boxes(torch.tensor([[3.0, 2.0, 9.0, 8.0], [10.0, 5.0, 28.0, 15.0]]))
    columns = {"scores": torch.tensor([0.75, 0.25]), "pred_classes": torch.tensor([1, 0]), "pred_masks": masks}
    return Instances(SIZE, pred_boxes=boxes, **columns)


def _masks(instances):
    masks = instances.pred_masks
    return masks.tensor if isinstance(masks, BitMasks) else BitMasks.from_polygon_masks(masks, *SIZE).tensor


def test_conversion_to_a_record_and_back_keeps_predictions(predictions):
    found = record_to_predictions(predictions_to_record(predictions, "a.jpg", 7))
    assert torch.equal(found.pred_boxes.tensor, predictions.pred_boxes.tensor)
    assert torch.equal(found.scores, predictions.scores)
    assert torch.equal(found.pred_classes, predictions.pred_classes)
    assert torch.equal(_masks(found), predictions.pred_masks)


def test_labelme_round_trip_keeps_boxes_classes_and_masks(predictions, tmp_path):
    write_labelme([predictions_to_record(predictions)], ["a.jpg"], NAMES, tmp_path)
    records, _ = load_labelme(tmp_path, NAMES)
    found = record_to_predictions(records[0])
    assert torch.equal(found.pred_boxes.tensor, predictions.pred_boxes.tensor)
    assert found.pred_classes.tolist() == [1, 0]
    assert torch.equal(_masks(found), predictions.pred_masks)


def test_yolo_round_trip_keeps_boxes_classes_and_masks(predictions, tmp_path):
    Image.fromarray(np.zeros((*SIZE, 3), np.uint8)).save(tmp_path / "a.png")
    write_yolo([predictions_to_record(predictions)], ["a.png"], tmp_path)
    found = record_to_predictions(load_yolo(tmp_path, tmp_path, NAMES)[0])
    assert torch.allclose(found.pred_boxes.tensor, predictions.pred_boxes.tensor, atol=1e-3)
    assert found.pred_classes.tolist() == [1, 0]
    assert torch.equal(_masks(found), predictions.pred_masks)


def test_round_trip_keeps_rotated_boxes_and_keypoints():
    rotated = Instances(SIZE, pred_boxes=RotatedBoxes(torch.tensor([[10.0, 8.0, 6.0, 2.0, 30.0]])))
    rotated.pred_keypoints = torch.ones(1, 2, 3)
    found = record_to_predictions(predictions_to_record(rotated))
    assert torch.equal(found.pred_boxes.tensor, rotated.pred_boxes.tensor)
    assert (found.pred_keypoints.shape, found.scores.tolist()) == ((1, 2, 3), [1.0])


def test_empty_predictions_result_in_a_record_without_annotations():
    record = predictions_to_record(Instances(SIZE, pred_boxes=Boxes(torch.zeros(0, 4))))
    assert record["annotations"] == []
    assert len(record_to_predictions(record)) == 0


def test_rejects_annotations_of_which_some_have_no_mask(predictions):
    record = predictions_to_record(predictions)
    del record["annotations"][1]["segmentation"]
    with pytest.raises(ValueError, match="'segmentation' must be present in all annotations"):
        record_to_predictions(record)
