from itertools import islice

import numpy as np
import pytest
import torch
from PIL import Image

from detectory.data import (
    CopyPaste,
    DatasetFromList,
    MixingMapper,
    MixUp,
    Mosaic,
    build_detection_train_loader,
)
from detectory.data import transforms as T
from detectory.data.mapping.mixes import Scene

COLORS = np.array([[200, 0, 0], [0, 200, 0], [0, 0, 200], [90, 90, 90]], np.uint8)


def square(x, y, side, category=0):
    corners = [x, y, x + side, y, x + side, y + side, x, y + side]
    return {
        "category_id": category,
        "bbox": np.array([x, y, x + side, y + side], float),
        "bbox_mode": 0,
        "segmentation": [np.array(corners, float)],
    }


def scene(number, size=(40, 60), objects=((10, 10, 20),)):
    """A plain image of one colour with white squares."""
    image = np.tile(COLORS[number], (*size, 1))
    for x, y, side in objects:
        image[y : y + side, x : x + side] = 255
    return Scene(image, [square(*one, category=number) for one in objects])


def others(*numbers, **kwargs):
    return iter([scene(number, **kwargs) for number in numbers]).__next__


@pytest.fixture
def records(tmp_path):
    made = []
    for number in range(6):
        one = scene(number % 4, objects=((5 + number, 8, 16),))
        Image.fromarray(one.image).save(tmp_path / f"{number}.png")
        annotation = {**one.annotations[0], "bbox": [5 + number, 8, 21 + number, 24]}
        annotation["segmentation"] = [polygon.tolist() for polygon in annotation["segmentation"]]
        record = {"file_name": str(tmp_path / f"{number}.png"), "image_id": number, "height": 40, "width": 60}
        made.append({**record, "annotations": [annotation]})
    return DatasetFromList(made, copy=False)


def white_center(image, box):
    x0, y0, x1, y1 = box.astype(int)
    return (image[y0 + 1 : y1 - 1, x0 + 1 : x1 - 1] > 240).all()


def test_mosaic_consists_of_four_images_around_its_center():
    middle = {"objects": ((20, 10, 20),)}
    mixed = Mosaic((80, 120), center_range=(0.5, 0.5))(scene(0, **middle), others(1, 2, 3, **middle))
    corners = [mixed.image[y, x].tolist() for y in (38, 41) for x in (58, 61)]
    assert corners == COLORS.tolist()
    assert [one["category_id"] for one in mixed.annotations] == [0, 1, 2, 3]


def test_mosaic_shifts_objects_with_their_pixels():
    for seed in range(8):
        np.random.seed(seed)
        mixed = Mosaic((64, 96), pad_value=0)(scene(0), others(1, 2, 3))
        for one in mixed.annotations:
            assert white_center(mixed.image, one["bbox"])
            (polygon,) = one["segmentation"]
            hull = [*polygon.reshape(-1, 2).min(axis=0), *polygon.reshape(-1, 2).max(axis=0)]
            np.testing.assert_allclose(hull, one["bbox"], atol=1e-6)


def test_mixup_blends_images_of_two_sizes_and_keeps_all_objects():
    np.random.seed(0)
    mixed = MixUp(1.5)(scene(0, (40, 60)), others(1, size=(50, 30)))
    assert mixed.image.shape == (50, 60, 3)
    assert [one["category_id"] for one in mixed.annotations] == [0, 1]
    red, green = mixed.image[5, 5, 0] / 200, mixed.image[5, 5, 1] / 200
    assert red + green == pytest.approx(1, abs=0.02)


def test_pasted_objects_occlude_existing_objects():
    np.random.seed(2)
    below, above = scene(0, objects=((10, 10, 20),)), others(*[1] * 9, objects=((20, 10, 20),))
    mixed = CopyPaste()(below, above)
    covered, pasted = mixed.annotations
    assert (covered["bbox"].tolist(), pasted["bbox"].tolist()) == ([10, 10, 20, 30], [20, 10, 40, 30])
    assert (covered["segmentation"].sum(), pasted["segmentation"].sum()) == (200, 400)
    assert not (covered["segmentation"] & pasted["segmentation"]).any()
    assert (mixed.image[25, 39] == 255).all()
    assert mixed.image[5, 5].tolist() == COLORS[0].tolist()


def test_occluded_objects_are_removed():
    np.random.seed(2)
    mixed = CopyPaste()(scene(0, objects=((12, 12, 8),)), others(*[1] * 9, objects=((10, 10, 20),)))
    assert [one["category_id"] for one in mixed.annotations] == [1]


def test_scene_is_unchanged_without_objects_to_paste():
    empty = Scene(scene(1).image, [])
    before = scene(0)
    assert CopyPaste()(before, lambda: empty) is before


@pytest.mark.parametrize("mix", [Mosaic((8, 8), prob=0), MixUp(prob=0), CopyPaste(prob=0)])
def test_mix_frequency_equals_the_probability(mix):
    before = scene(0)
    assert mix(before, others()) is before


def mapper(records, mixes, **kwargs):
    augmentations = [T.LargeScaleJitter((48, 64), 0.5, 1.5), T.RandomFlip()]
    return MixingMapper(
        True,
        dataset=records,
        mixes=mixes,
        augmentations=augmentations,
        image_format="RGB",
        use_instance_mask=True,
        instance_mask_format="bitmask",
        **kwargs,
    )


def batches(records, workers, state=None):
    mixing = mapper(records, [CopyPaste(), Mosaic((48, 64), prob=0.5), MixUp(prob=0.5)])
    loader = build_detection_train_loader(records, mapper=mixing, total_batch_size=2, num_workers=workers, seed=3)
    if state is not None:
        loader.load_state_dict(state)
    return loader


def same(one, other):
    pairs = list(zip(one, other, strict=True))
    masks = (torch.equal(a["instances"].gt_masks.tensor, b["instances"].gt_masks.tensor) for a, b in pairs)
    return all(masks) and all(torch.equal(a["image"], b["image"]) for a, b in pairs)


@pytest.mark.parametrize("workers", [0, 2])
def test_mixed_samples_resume_exactly(records, workers):
    expected = list(islice(batches(records, 0), 6))
    stopped = batches(records, workers)
    list(islice(stopped, 3))
    resumed = list(islice(batches(records, workers, stopped.state_dict()), 3))
    assert all(same(one, other) for one, other in zip(resumed, expected[3:], strict=True))


def test_masks_and_boxes_agree_after_all_mixes(records):
    for sample in (sample for batch in islice(batches(records, 0), 8) for sample in batch):
        instances = sample["instances"]
        tight = instances.gt_masks.get_bounding_boxes().tensor
        assert (tight[:, :2] >= instances.gt_boxes.tensor[:, :2] - 1).all()
        assert (tight[:, 2:] <= instances.gt_boxes.tensor[:, 2:] + 1).all()


def test_later_augmentations_are_applied_to_the_mixed_image(records):
    sample = mapper(records, [Mosaic((80, 80))], augmentations_after=[T.Resize((40, 40))])(records[0])
    assert sample["image"].shape == (3, 40, 40)
    assert sample["instances"].gt_boxes.tensor.max() <= 40


def test_inference_does_not_mix_images(records):
    plain = MixingMapper(False, dataset=records, mixes=[Mosaic((8, 8))], augmentations=[], image_format="RGB")
    assert plain(records[1])["image"].shape == (3, 40, 60)


def test_rejects_copy_paste_without_bitmasks(records):
    with pytest.raises(ValueError, match="CopyPaste requires use_instance_mask=True"):
        MixingMapper(True, dataset=records, mixes=[CopyPaste()], augmentations=[], image_format="RGB")


def test_rejects_semantic_labels(records):
    record = {**records[0], "sem_seg_file_name": "x.png"}
    with pytest.raises(ValueError, match="semantic segmentation cannot be combined"):
        mapper(records, [])(record)
