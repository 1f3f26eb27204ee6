"""Panoptic-DeepLab: targets, post-processing, model."""

import numpy as np
import pytest
import torch

from detectory.projects.deeplab.panoptic import (
    PanopticDeepLabDatasetMapper,
    PanopticDeepLabTargetGenerator,
    get_panoptic_segmentation,
)
from detectory.projects.deeplab.panoptic.post_processing import find_instance_center, group_pixels
from detectory.projects.deeplab.recipes.panoptic_segmentation import panoptic_deeplab


def two_things():
    """Return a label map of 24 x 32 with stuff (0), two things (1 and 2) and a crowd (3), and its segments."""
    labels = np.zeros((24, 32), np.int64)
    labels[2:8, 3:9], labels[10:20, 12:28], labels[20:, :8] = 1, 2, 3
    classes = {0: 0, 1: 5, 2: 6, 3: 5}
    return labels, [{"id": i, "category_id": category, "iscrowd": int(i == 3)} for i, category in classes.items()]


@pytest.fixture
def targets():
    generator = PanopticDeepLabTargetGenerator(255, {5, 6}, 2, True, small_instance_area=50, small_instance_weight=3)
    return generator(*two_things())


def test_offsets_point_to_the_centers(targets):
    assert targets["center_points"][:2] == [[4.5, 5.5], [14.5, 19.5]]
    assert targets["offset"][:, 2, 3].tolist() == [2.5, 2.5]
    assert targets["offset"][:, 0, 0].tolist() == [0, 0]
    assert int(targets["center"].argmax()) in {4 * 32 + 6, 14 * 32 + 20}


def test_stuff_crowds_and_small_things_have_their_weights(targets):
    assert targets["offset_weights"][0, 0, 0] == 0
    assert targets["center_weights"][0, 0, 0] == 1
    assert targets["center_weights"][0, 22, 2] == targets["offset_weights"][0, 22, 2] == 0
    assert (targets["sem_seg_weights"][3, 4], targets["sem_seg_weights"][12, 14]) == (3, 1)


def test_targets_are_decoded_to_the_label_map(targets):
    labels, _ = two_things()
    panoptic, centers = get_panoptic_segmentation(
        targets["sem_seg"][None], targets["center"][None], targets["offset"], {5, 6}, 1000, 10, -1, nms_kernel=3
    )
    assert len(centers[0]) == 3
    assert panoptic[0][labels == 0].unique().tolist() == [0]
    assert panoptic[0][labels == 2].unique().tolist() == [6001]
    assert sorted(panoptic[0][labels == 1].unique().tolist() + panoptic[0][labels == 3].unique().tolist()) == [
        5001,
        5002,
    ]


def test_only_the_best_peaks_are_centers():
    heat = torch.zeros(1, 9, 9)
    heat[0, 2, 2], heat[0, 2, 3], heat[0, 6, 6], heat[0, 7, 1] = 0.9, 0.8, 0.5, 0.05
    assert find_instance_center(heat, 0.1, 3).tolist() == [[2, 2], [6, 6]]
    assert find_instance_center(heat, 0.1, 3, top_k=2).tolist() == [[2, 2]]  # strictly above the second best
    assert find_instance_center(heat, 0.95, 3, top_k=200).tolist() == []


def test_pixels_are_grouped_in_chunks(monkeypatch):
    centers, offsets = torch.tensor([[1, 1], [5, 7]]), torch.randn(2, 8, 9)
    whole = group_pixels(centers, offsets)
    monkeypatch.setattr("detectory.projects.deeplab.panoptic.post_processing._CHUNK", 10)
    assert torch.equal(group_pixels(centers, offsets), whole)


def test_rejects_maps_of_the_wrong_shape():
    with pytest.raises(ValueError, match=r"offsets must have shape \(2, H, W\), got \(1, 4, 4\)"):
        get_panoptic_segmentation(
            torch.zeros(1, 4, 4, dtype=torch.long), torch.zeros(1, 4, 4), torch.zeros(1, 4, 4), {1}, 1000, 1, -1
        )


def test_mapper_names_a_record_without_panoptic_labels():
    generator = PanopticDeepLabTargetGenerator(255, {1})
    mapper = PanopticDeepLabDatasetMapper(augmentations=[], image_format="RGB", panoptic_target_generator=generator)
    with pytest.raises(ValueError, match=r"a\.png: the record has no 'pan_seg_file_name'"):
        mapper({"file_name": "a.png", "segments_info": []})


def test_model_trains_and_predicts():
    from detectory.core.config import instantiate

    config = panoptic_deeplab(7, [5, 6], [64, 64], depthwise=True, stuff_area=1, center_threshold=-1.0)
    config.backbone.norm = config.sem_seg_head.norm = config.ins_embed_head.norm = "BN"
    config.backbone |= {"stem_out_channels": 16, "res2_out_channels": 32, "width_per_group": 8}
    for head in (config.sem_seg_head, config.ins_embed_head):
        for index, name in enumerate(("res2", "res3", "res5")):
            head.input_shape[name].channels = 32 * (1, 2, 8)[index]
    model = instantiate(config)
    labels, segments = np.zeros((64, 64), np.int64), [{"id": 0, "category_id": 0, "iscrowd": 0}]
    labels[10:30, 20:50] = 1
    generator = PanopticDeepLabTargetGenerator(255, {5, 6})
    item = generator(labels, [*segments, {"id": 1, "category_id": 5, "iscrowd": 0}]) | {"image": torch.rand(3, 64, 64)}
    losses = model([item, item])
    assert set(losses) == {"loss_sem_seg", "loss_center", "loss_offset"}
    sum(losses.values()).backward()
    assert [name for name, value in model.named_parameters() if value.grad is None] == []
    output = model.eval()([{"image": item["image"], "height": 32, "width": 48}])[0]
    assert (output["sem_seg"].shape, output["panoptic_seg"][0].shape) == ((7, 32, 48), (32, 48))
    with pytest.raises(ValueError, match="input 0 has no 'sem_seg'"):
        model.train()([{"image": item["image"]}])
