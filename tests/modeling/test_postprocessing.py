import torch
from torch.nn import functional as F

from detectory.modeling.meta_arch import combine_semantic_and_instance_outputs
from detectory.modeling.postprocessing import detector_postprocess, sem_seg_postprocess
from detectory.structures import Boxes, Instances


def test_postprocessing_scales_and_clips_boxes_and_removes_empty_ones():
    boxes = Boxes(torch.tensor([[1.0, 1, 5, 5], [20, 0, 30, 5]]))
    found = Instances((10, 10), pred_boxes=boxes, scores=torch.tensor([0.5, 0.4]))
    scaled = detector_postprocess(found, 20, 40)
    assert scaled.pred_boxes.tensor.tolist() == [[4.0, 2.0, 20.0, 10.0]]
    assert found.pred_boxes.tensor[0].tolist() == [1.0, 1.0, 5.0, 5.0]


def test_semantic_postprocessing_removes_the_padding():
    logits = torch.zeros(2, 8, 8)
    logits[1, 4:] = 9.0
    assert sem_seg_postprocess(logits, (4, 8), 8, 16).argmax(0).sum() == 0


def test_semantic_postprocessing_preserves_channels_last():
    batch = torch.randn(1, 5, 8, 9).contiguous(memory_format=torch.channels_last)
    wanted = F.interpolate(batch[:, :, :7, :8].contiguous(), size=(14, 20), mode="bilinear")[0]
    found = sem_seg_postprocess(batch[0], (7, 8), 14, 20)
    assert found.stride(0) == 1
    torch.testing.assert_close(found, wanted)


def test_instances_of_higher_score_occlude_others_and_stuff_fills_the_rest():
    masks = torch.zeros(3, 4, 4, dtype=torch.bool)
    masks[0, :2], masks[1, :2, :3], masks[2, 3] = True, True, True
    found = Instances((4, 4), pred_masks=masks, scores=torch.tensor([0.9, 0.8, 0.3]))
    found.pred_classes = torch.tensor([5, 6, 7])
    stuff = torch.full((4, 4), 2)
    canvas, segments = combine_semantic_and_instance_outputs(found, stuff, 0.5, 4, 0.5)
    assert [(s["id"], s["isthing"], s["category_id"]) for s in segments] == [(1, True, 5), (2, False, 2)]
    assert canvas[:2].unique().tolist() == [1]
    assert canvas[2:].unique().tolist() == [2]
