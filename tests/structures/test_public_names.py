"""Public names, methods and parameters, which follow Detectron2's documentation."""

import inspect

import pytest

from detectory import structures

METHODS = {
    "BitMasks": "cat crop_and_resize device from_polygon_masks from_roi_masks get_bounding_boxes nonempty to",
    "BoxMode": "convert",
    "Boxes": "area cat clip clone device get_centers inside_box nonempty scale to",
    "ImageList": "device from_tensors to",
    "Instances": "cat get get_fields has image_size remove set to",
    "Keypoints": "cat device to to_heatmap",
    "PolygonMasks": "area cat crop_and_resize device get_bounding_boxes nonempty to",
    "ROIMasks": "device to to_bitmasks",
    "RotatedBoxes": "area cat clip clone device get_centers inside_box nonempty normalize_angles scale to",
}
PARAMETERS = {
    "heatmaps_to_keypoints": "maps rois",
    "ids_to_rgb": "ids",
    "matched_pairwise_iou": "boxes1 boxes2",
    "pairwise_intersection": "boxes1 boxes2",
    "pairwise_ioa": "boxes1 boxes2",
    "pairwise_iou": "boxes1 boxes2",
    "pairwise_iou_rotated": "boxes1 boxes2",
    "pairwise_point_box_distance": "points boxes",
    "polygon_area": "x y",
    "polygons_to_bitmask": "polygons height width",
    "rasterize_polygons_within_box": "polygons box mask_size",
    "rgb_to_ids": "image",
    "rle_to_bitmask": "rle max_pixels",
}
TYPES = {"RLE", "Annotation", "DatasetRecord", "ModelInput", "ModelOutput", "SegmentInfo", "Segmentation"}


def test_all_lists_the_documented_names():
    assert set(structures.__all__) == METHODS.keys() | PARAMETERS.keys() | TYPES


@pytest.mark.parametrize("name", METHODS)
def test_classes_have_the_documented_methods(name):
    cls = getattr(structures, name)
    assert [method for method in METHODS[name].split() if not hasattr(cls, method)] == []
    assert [method for method in METHODS[name].split() if not getattr(cls, method).__doc__] == []


@pytest.mark.parametrize("name", PARAMETERS)
def test_functions_have_the_documented_parameters(name):
    assert " ".join(inspect.signature(getattr(structures, name)).parameters) == PARAMETERS[name]
