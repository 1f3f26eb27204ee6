"""Code of Detectron2's tutorials on datasets, loaders and augmentations, with the module path replaced."""

import copy
from pathlib import Path

import numpy as np
import pytest
import torch
from torchvision.transforms import v2

import detectory.data.transforms as T
from detectory.data import (
    DatasetCatalog,
    DatasetMapper,
    MetadataCatalog,
    build_detection_test_loader,
    build_detection_train_loader,
    register_coco_instances,
)
from detectory.data import mapping as utils
from detectory.data.images import read_image
from detectory.structures import BoxMode

IMAGE = np.random.default_rng(0).integers(0, 255, (24, 40, 3), dtype=np.uint8)


def test_use_custom_datasets(coco):
    def my_dataset_function():
        annotation = {"bbox": [1, 1, 5, 5], "bbox_mode": BoxMode.XYXY_ABS, "category_id": 0}
        return [{"file_name": str(coco.images / "1.jpg"), "height": 40, "width": 64, "annotations": [annotation]}]

    DatasetCatalog.register("my_dataset", my_dataset_function)
    MetadataCatalog.get("my_dataset").thing_classes = ["person", "dog"]
    assert DatasetCatalog.get("my_dataset")[0]["height"] == 40
    register_coco_instances("my_coco_dataset", {}, str(coco.file), str(coco.images))
    assert len(DatasetCatalog.get("my_coco_dataset")) == 4


@pytest.mark.parametrize("variable", ["DETECTORY_DATASETS", "DETECTRON2_DATASETS"])
def test_use_builtin_datasets(test_data, monkeypatch, variable):
    monkeypatch.setenv(variable, str(test_data))
    instances = DatasetCatalog.get("coco_2017_val")
    assert (len(instances), sum(len(record["annotations"]) for record in instances)) == (30, 216)
    people = DatasetCatalog.get("keypoints_coco_2017_val")
    assert any("keypoints" in annotation for record in people for annotation in record["annotations"])
    panoptic = DatasetCatalog.get("coco_2017_val_panoptic")
    assert all(Path(record["pan_seg_file_name"]).is_file() for record in panoptic)
    assert all(Path(record["file_name"]).is_file() for record in [*instances, *people, *panoptic])


def test_dataloader_with_custom_augmentations(coco):
    register_coco_instances("my_dataset", {}, str(coco.file), str(coco.images))
    mapper = DatasetMapper(is_train=True, augmentations=[T.Resize((80, 80))], image_format="BGR")
    loader = build_detection_train_loader(DatasetCatalog.get("my_dataset"), mapper=mapper, total_batch_size=2)
    assert {item["image"].shape for item in next(iter(loader))} == {(3, 80, 80)}


def test_dataloader_with_custom_mapper(coco):
    def mapper(dataset_dict):
        dataset_dict = copy.deepcopy(dataset_dict)
        image = read_image(dataset_dict["file_name"], format="BGR")
        auginput = T.AugInput(image)
        transform = T.Resize((80, 80))(auginput)
        image = torch.from_numpy(auginput.image.transpose(2, 0, 1))
        annos = [
            utils.transform_instance_annotations(annotation, [transform], image.shape[1:])
            for annotation in dataset_dict.pop("annotations")
        ]
        return {"image": image, "instances": utils.annotations_to_instances(annos, image.shape[1:])}

    register_coco_instances("my_dataset", {}, str(coco.file), str(coco.images))
    (item,) = next(iter(build_detection_test_loader(DatasetCatalog.get("my_dataset"), mapper=mapper)))
    assert item["instances"].gt_boxes.tensor.tolist() == [[5, 12, 30, 32]]


def test_image_boxes_and_labels_are_augmented_together():
    augs = T.AugmentationList(
        [T.RandomBrightness(0.9, 1.1), T.RandomFlip(prob=0.5), T.RandomCrop("absolute", (20, 20))]
    )
    given = T.AugInput(IMAGE, boxes=np.array([[1.0, 1, 9, 9]]), sem_seg=IMAGE[:, :, 0])
    transform = augs(given)
    assert given.image.shape == (20, 20, 3)
    assert transform.apply_image(IMAGE).shape == (20, 20, 3)
    assert isinstance(transform.apply_polygons([np.array([[1.0, 1], [9, 1], [9, 9]])]), list)


def test_custom_augmentations():
    class MyColorAugmentation(T.Augmentation):
        def get_transform(self, image):
            r = np.random.rand(2)
            return T.ColorTransform(lambda x: x * r[0] + r[1] * 10)

    class MyCustomResize(T.Augmentation):
        def get_transform(self, image):
            old_h, old_w = image.shape[:2]
            new_h, new_w = int(old_h * (0.5 + np.random.rand())), int(old_w * 1.5)
            return T.ResizeTransform(old_h, old_w, new_h, new_w)

    given = T.AugInput(IMAGE)
    T.AugmentationList([MyCustomResize(), MyColorAugmentation()])(given)
    assert given.image.shape[1] == 60


def test_odd_number_of_flips_swaps_keypoints():
    transform = T.AugmentationList([T.RandomFlip(1.0), T.Resize((48, 80))])(T.AugInput(IMAGE))
    transforms = T.TransformList([transform]).transforms
    assert sum(isinstance(t, T.HFlipTransform) for t in transforms) % 2 == 1
    assert transform.apply_coords(np.array([[1.0, 2.0]])).tolist() == [[78, 4]]


def test_inverse_maps_predictions_to_the_original_image():
    given = T.AugInput(IMAGE)
    transform = T.AugmentationList([T.RandomFlip(1.0), T.Resize((48, 80))])(given)
    mask = np.zeros((48, 80), np.uint8)
    mask[:8, :8] = 1
    original = transform.inverse().apply_segmentation(mask)
    assert original[:4, 36:].all()
    assert original.sum() == 16


@pytest.mark.parametrize(
    "pipeline",
    [v2.RandomHorizontalFlip(1.0), v2.RandomVerticalFlip(1.0), v2.Resize((48, 80)), v2.RandomAffine(15), v2.Pad(4)],
    ids=lambda pipeline: type(pipeline).__name__,
)
def test_torchvision_pipelines_transform_image_labels_and_points_alike(pipeline):
    image = np.zeros((24, 40, 3), np.uint8)
    image[10:14, 18:22] = 255
    transform = T.TorchvisionAugmentation(pipeline)(T.AugInput(image))
    place = transform.apply_coords(np.array([[20.0, 12.0]]))[0]
    for moved in (transform.apply_image(image)[:, :, 0], transform.apply_segmentation(image[:, :, 0])):
        ys, xs = np.nonzero(moved > 100)
        np.testing.assert_allclose([xs.mean() + 0.5, ys.mean() + 0.5], place, atol=0.6)


def test_torchvision_box_filters_keep_polygon_vertices():
    pipeline = torch.nn.Sequential(
        v2.Pad(2), v2.Compose([v2.ClampBoundingBoxes(), v2.SanitizeBoundingBoxes(labels_getter=None)])
    )
    transform = T.TorchvisionAugmentation(pipeline)(T.AugInput(IMAGE))
    assert transform.apply_coords(np.array([[-9.0, 3], [60, 3]])).tolist() == [[-7, 5], [62, 5]]


def test_rejects_torchvision_pipelines_that_do_not_support_annotations():
    transform = T.TorchvisionAugmentation(v2.RandAugment())(T.AugInput(IMAGE))
    with pytest.raises(TypeError, match=r"the pipeline does not support Image, BoundingBoxes: .*RandAugment"):
        transform.apply_coords(np.zeros((1, 2)))
    with pytest.raises(TypeError, match="must return one image, got tuple"):
        T.TorchvisionAugmentation(v2.FiveCrop(8))(T.AugInput(IMAGE))
