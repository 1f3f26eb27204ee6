import numpy as np
import pytest
import torch
from PIL import Image

from detectory.data import DatasetMapper, MetadataCatalog, mapping
from detectory.data import transforms as T
from detectory.data.consistency import check_metadata_consistency
from detectory.data.images import SizeMismatchError
from detectory.data.registration import load_coco_json
from detectory.structures import BitMasks, BoxMode, PolygonMasks


def mapper(**kwargs):
    return DatasetMapper(True, **{"augmentations": [], "image_format": "BGR", "use_instance_mask": True, **kwargs})


@pytest.fixture
def record(coco):
    return load_coco_json(coco.file, coco.images, "mine")[0]


def test_image_is_a_channels_first_tensor(record):
    image = mapper()(record)["image"]
    assert (image.shape, image.dtype) == ((3, 40, 64), torch.uint8)
    expected = np.asarray(Image.open(record["file_name"]))[:, :, ::-1]
    assert np.abs(image.permute(1, 2, 0).numpy().astype(int) - expected).max() <= 1


def test_mapper_does_not_modify_the_record(record):
    before = repr(record)
    mapper(augmentations=[T.RandomFlip(1.0)])(record)
    assert repr(record) == before


def test_boxes_and_polygons_are_transformed_with_the_image(record):
    instances = mapper(augmentations=[T.Resize((80, 128)), T.RandomFlip(1.0)])(record)["instances"]
    assert instances.gt_boxes.tensor.tolist() == [[80, 12, 120, 32]]
    assert instances.gt_masks.get_bounding_boxes().tensor.tolist() == [[80, 12, 120, 32]]
    assert instances.gt_classes.tolist() == [1]


@pytest.mark.parametrize(("kind", "made"), [("polygon", PolygonMasks), ("bitmask", BitMasks)])
def test_masks_have_the_requested_format(record, kind, made):
    assert isinstance(mapper(instance_mask_format=kind)(record)["instances"].gt_masks, made)


def test_crowds_and_empty_instances_are_removed(record):
    crowd = {**record["annotations"][0], "iscrowd": 1}
    flat = {**record["annotations"][0], "bbox": [3, 3, 0, 5]}
    record["annotations"] += [crowd, flat]
    assert len(mapper()(record)["instances"]) == 1


def test_boxes_are_recomputed_from_cropped_masks(record):
    crop = T.CropTransform(10, 0, 30, 40)
    record["annotations"][0]["segmentation"] = [[4, 6, 16, 6, 16, 16, 4, 16]]
    kept = mapper(augmentations=[crop], recompute_boxes=True)(record)["instances"]
    assert kept.gt_boxes.tensor.tolist() == [[0, 6, 6, 16]]


def test_inference_removes_annotations(record):
    assert sorted(DatasetMapper(False, augmentations=[], image_format="RGB")(record)) == [
        "file_name",
        "height",
        "image",
        "image_id",
        "width",
    ]


def test_semantic_labels_are_resized_without_interpolation(record, tmp_path):
    labels = np.array([[0, 200], [7, 255]], np.uint8).repeat(20, 0).repeat(32, 1)
    Image.fromarray(labels).save(tmp_path / "sem.png")
    record["sem_seg_file_name"] = str(tmp_path / "sem.png")
    sem_seg = mapper(augmentations=[T.Resize((20, 32))])(record)["sem_seg"]
    assert sem_seg.dtype == torch.int64
    assert sem_seg.unique().tolist() == [0, 7, 200, 255]


def test_proposals_are_transformed_and_clipped(record):
    record.update(proposal_boxes=[[0, 0, 64, 40], [2, 2, 2, 9], [1, 1, 5, 5]], proposal_objectness_logits=[3, 2, 1])
    record["proposal_bbox_mode"] = BoxMode.XYXY_ABS
    proposals = mapper(augmentations=[T.Resize((80, 128))], precomputed_proposal_topk=1)(record)["proposals"]
    assert proposals.proposal_boxes.tensor.tolist() == [[0, 0, 128, 80]]


def test_rejects_invalid_annotation(record):
    record["annotations"][0]["segmentation"] = 5
    with pytest.raises(ValueError, match=r"1.jpg \(image id 1\): invalid annotation .* got int"):
        mapper()(record)


def test_rejects_images_with_a_different_size_than_recorded(record):
    record["width"] = 65
    with pytest.raises(SizeMismatchError, match=r"1.jpg: the image is 64 x 40 .* id 1 says 65 x 40"):
        mapper()(record)


def test_rle_masks_need_the_bitmask_format(record):
    record["annotations"][0]["segmentation"] = {"size": [40, 64], "counts": [10, 20, 40 * 64 - 30]}
    assert mapper(instance_mask_format="bitmask")(record)["instances"].gt_masks.tensor.sum() == 20
    with pytest.raises(ValueError, match="Use mask_format='bitmask'"):
        mapper()(record)


def test_flip_swaps_left_and_right_keypoints():
    MetadataCatalog.get("two").set(
        keypoint_names=["nose", "left_eye", "right_eye"], keypoint_flip_map=[("left_eye", "right_eye")]
    )
    indices = mapping.create_keypoint_hflip_indices("two")
    assert indices == [0, 2, 1]
    transforms = T.TransformList([T.HFlipTransform(10)])
    moved = mapping.transform_keypoint_annotations([1, 1, 2, 2, 2, 1, 8, 3, 0], transforms, (5, 10), indices)
    assert moved.tolist() == [[9, 1, 2], [0, 0, 0], [8, 2, 1]]


def test_flip_of_keypoints_requires_flip_indices():
    with pytest.raises(ValueError, match="keypoint_hflip_indices must be set"):
        mapping.transform_keypoint_annotations([1, 1, 2], T.TransformList([T.HFlipTransform(10)]), (5, 10))


def test_keypoints_outside_the_image_become_invisible():
    moved = mapping.transform_keypoint_annotations([12, 1, 2, 10, 5, 2], T.TransformList([]), (5, 10))
    assert moved.tolist() == [[0, 0, 0], [10, 5, 2]]


def test_records_without_annotations_result_in_empty_instances():
    instances = mapping.annotations_to_instances([], (5, 6))
    assert len(instances.gt_boxes) == len(instances.gt_classes) == 0


def test_rejects_inconsistent_metadata_of_two_datasets():
    MetadataCatalog.get("one").thing_classes = ["a", "b"]
    MetadataCatalog.get("other").thing_classes = ["a", "c"]
    with pytest.raises(ValueError, match=r"'one' and 'other' .*'thing_classes': entry 1 is 'b' and 'c'"):
        check_metadata_consistency("thing_classes", ["one", "other"])
