import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from detectory.data import transforms as T

H, W = 24, 40

GEOMETRIC = {
    "hflip": T.HFlipTransform(W),
    "vflip": T.VFlipTransform(H),
    "resize up": T.ResizeTransform(H, W, 48, 80),
    "resize uneven": T.ResizeTransform(H, W, 36, 50),
    "scale": T.ScaleTransform(H, W, 48, 80, "bilinear"),
    "pad": T.PadTransform(3, 4, 5, 6, W, H),
    "crop": T.CropTransform(4, 3, 30, 20, W, H),
    "rotate": T.RotationTransform(H, W, 30),
    "rotate in place": T.RotationTransform(H, W, -15, expand=False, center=(10, 12)),
    "extent": T.ExtentTransform((4, 2, 36, 22), (40, 64)),
    "affine": T.AffineTransform([[1.2, 0.1, 3], [-0.2, 0.9, 5]], (H, W), (40, 60)),
    "no-op": T.NoOpTransform(),
    "list": T.TransformList(
        [T.HFlipTransform(W), T.ResizeTransform(H, W, 48, 80), T.CropTransform(8, 6, 60, 40, 80, 48)]
    ),
}
INVERTIBLE = [name for name in GEOMETRIC if name != "extent"]
points = st.lists(st.tuples(st.floats(-50, 90), st.floats(-50, 90)), min_size=1, max_size=8)


def disk(x, y, radius=2.5):
    ys, xs = np.mgrid[:H, :W] + 0.5
    return (((xs - x) ** 2 + (ys - y) ** 2) < radius**2).astype(np.uint8) * 255


def center_of(image):
    ys, xs = np.nonzero(image > 100)
    return np.array([xs.mean() + 0.5, ys.mean() + 0.5])


@pytest.mark.parametrize("name", INVERTIBLE)
@given(points)
@settings(max_examples=30, deadline=None)
def test_inverse_restores_points(name, places):
    transform = GEOMETRIC[name]
    there = transform.apply_coords(np.array(places))
    np.testing.assert_allclose(transform.inverse().apply_coords(there), places, atol=1e-6)


@pytest.mark.parametrize("name", GEOMETRIC)
@pytest.mark.parametrize("place", [(20, 12), (12.5, 10.5), (26, 14)], ids=str)
def test_image_and_points_are_transformed_alike(name, place):
    transform = GEOMETRIC[name]
    for apply in (transform.apply_image, transform.apply_segmentation):
        moved = center_of(apply(disk(*place)))
        np.testing.assert_allclose(moved, transform.apply_coords(np.array([place], float))[0], atol=0.5)


@pytest.mark.parametrize("name", INVERTIBLE)
def test_inverse_restores_the_image_size(name):
    transform = GEOMETRIC[name]
    image = np.zeros((H, W, 3), np.uint8)
    assert transform.inverse().apply_image(transform.apply_image(image)).shape == image.shape


@pytest.mark.parametrize("name", ["hflip", "vflip"])
@given(st.lists(st.floats(0, 20), min_size=4, max_size=4))
@settings(max_examples=30, deadline=None)
def test_flips_keep_the_areas_of_boxes(name, numbers):
    box = np.array([[min(numbers[:2]), min(numbers[2:]), max(numbers[:2]), max(numbers[2:])]])
    moved = GEOMETRIC[name].apply_box(box)
    assert (moved[:, 2:] >= moved[:, :2]).all()
    np.testing.assert_allclose((moved[:, 2:] - moved[:, :2]).prod(), (box[:, 2:] - box[:, :2]).prod(), atol=1e-9)


@pytest.mark.parametrize("shape", [(H, W), (H, W, 1), (H, W, 3), (H, W, 7), (2, H, W, 3)], ids=str)
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("name", ["hflip", "vflip", "resize up", "scale", "pad", "crop", "rotate", "no-op"])
def test_transforms_keep_the_number_of_dimensions_and_the_dtype(name, shape, dtype):
    image = np.random.default_rng(0).integers(0, 255, shape).astype(dtype)
    moved = GEOMETRIC[name].apply_image(image)
    assert moved.dtype == dtype
    assert moved.ndim == len(shape)
    assert moved.shape[3 if len(shape) == 4 else 2 :] == shape[3 if len(shape) == 4 else 2 :]


@pytest.mark.parametrize("size", [(11, 17), (60, 90), (24, 80), (5, 5)], ids=str)
@pytest.mark.parametrize("interp", [0, 2, 3], ids=["nearest", "bilinear", "bicubic"])
@pytest.mark.parametrize("channels", [1, 3])
def test_resize_matches_pillow_within_one_grey_level(size, interp, channels):
    image = np.random.default_rng(1).integers(0, 256, (H, W, channels), dtype=np.uint8)
    ours = T.ResizeTransform(H, W, *size, interp).apply_image(image)
    planes = [np.asarray(Image.fromarray(image[:, :, c]).resize(size[::-1], interp)) for c in range(channels)]
    assert np.abs(ours.astype(int) - np.stack(planes, -1)).max() <= 1


def test_resize_accepts_views_with_negative_strides():
    image = np.random.default_rng(1).integers(0, 256, (H, W, 3), dtype=np.uint8)
    resize = T.ResizeTransform(H, W, 30, 50)
    for view in (image[:, :, ::-1], image[::-1], image[:, ::-1, ::-1]):
        np.testing.assert_array_equal(resize.apply_image(view), resize.apply_image(view.copy()))


def test_segmentation_labels_are_not_interpolated():
    labels = np.random.default_rng(2).choice([0, 7, 300], (H, W)).astype(np.int32)
    for name in ("resize up", "resize uneven", "scale", "rotate", "extent"):
        assert set(np.unique(GEOMETRIC[name].apply_segmentation(labels))) <= {0, 7, 300}


def test_flipped_boxes_use_continuous_coordinates():
    assert T.HFlipTransform(10).apply_box(np.array([[1, 2, 4, 5]])).tolist() == [[6, 2, 9, 5]]


@given(st.lists(st.tuples(st.floats(-10, 50), st.floats(-10, 40)), min_size=3, max_size=9))
@settings(max_examples=60, deadline=None)
def test_clipped_polygons_are_inside_the_window(places):
    cut = GEOMETRIC["crop"].apply_polygons([np.array(places)])
    for polygon in cut:
        assert len(polygon) >= 3
        assert (polygon >= -1e-6).all()
        assert (polygon <= [30 + 1e-6, 20 + 1e-6]).all()


@pytest.mark.parametrize(
    ("polygon", "area"),
    [
        ([[0, 0], [10, 0], [10, 10], [0, 10]], 42),
        ([[-5, 5], [20, 5], [20, 8], [-5, 8]], 18),
        ([[3, 3], [4, 3], [4, 4]], 0.5),
        ([[0, 4], [20, 4], [20, 6], [0, 6], [0, 7], [25, 7], [25, 3], [0, 3]], 12),
    ],
    ids=["corner", "through", "inside", "comb"],
)
def test_clipped_polygon_has_the_area_of_its_part_inside_the_window(polygon, area):
    (cut,) = T.CropTransform(3, 3, 6, 7).apply_polygons([np.array(polygon)])
    x, y = cut.T
    assert abs(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1))) / 2 == pytest.approx(area)


def test_polygons_outside_the_window_are_removed():
    assert T.CropTransform(0, 0, 5, 5).apply_polygons([np.array([[6, 6], [8, 6], [8, 8]])]) == []


def test_flips_and_resizes_transform_rotated_boxes():
    box = np.array([[10.0, 5, 8, 4, 30]])
    assert T.HFlipTransform(40).apply_rotated_box(box).tolist() == [[30, 5, 8, 4, -30]]
    assert T.VFlipTransform(20).apply_rotated_box(box).tolist() == [[10, 15, 8, 4, -30]]
    np.testing.assert_allclose(T.ResizeTransform(20, 40, 40, 80).apply_rotated_box(box), [[20, 10, 16, 8, 30]])
    both = T.TransformList([T.HFlipTransform(40), T.NoOpTransform()])
    assert both.apply_rotated_box(box).tolist() == [[30, 5, 8, 4, -30]]


def test_rotation_is_counter_clockwise():
    rotation = T.RotationTransform(H, W, 90)
    assert (rotation.bound_h, rotation.bound_w) == (W, H)
    np.testing.assert_allclose(rotation.apply_coords([[W, H / 2]]), [[H / 2, 0]], atol=1e-9)
    image = np.random.default_rng(0).integers(0, 255, (H, W), dtype=np.uint8)
    np.testing.assert_array_equal(rotation.apply_image(image), np.rot90(image))


def test_new_data_types_can_be_registered():
    class Flip(T.HFlipTransform):
        pass

    @Flip.register_type("voxel")
    def flip_voxel(transform, voxel):
        return ("flipped", transform.width, voxel)

    assert Flip(8).apply_voxel(1) == ("flipped", 8, 1)
    assert T.TransformList([Flip(8), T.NoOpTransform()]).apply_voxel(1) == ("flipped", 8, 1)
    assert not hasattr(T.HFlipTransform(8), "apply_voxel")


def test_transform_lists_are_flattened_and_concatenated():
    one, other = T.HFlipTransform(4), T.VFlipTransform(4)
    both = T.TransformList([T.TransformList([one]), other])
    assert both.transforms == [one, other]
    assert (both + one).transforms == [one, other, one]
    assert [type(t) for t in both.inverse().transforms] == [T.VFlipTransform, T.HFlipTransform]


def test_blend_clips_uint8_but_not_float_images():
    image = np.array([[10, 200]], np.uint8)
    assert T.BlendTransform(100, 0.5, 1.5).apply_image(image).tolist() == [[65, 255]]
    assert T.BlendTransform(100, 0.5, 1.5).apply_image(image.astype(np.float32)).tolist() == [[65, 350]]


def test_photometric_transforms_keep_coordinates():
    transform = T.ColorTransform(lambda image: image // 2)
    box = np.array([[1.0, 2, 3, 4]])
    assert transform.apply_box(box).tolist() == box.tolist()
    assert transform.apply_segmentation(disk(3, 3)).max() == 255
    assert isinstance(transform.inverse(), T.NoOpTransform)


def test_rejects_images_of_another_size():
    with pytest.raises(ValueError, match=r"expected an image of 24x40, got \(5, 5\)"):
        GEOMETRIC["resize up"].apply_image(np.zeros((5, 5), np.uint8))


def test_rejects_the_inverse_of_a_crop_without_the_original_size():
    with pytest.raises(ValueError, match="orig_w and orig_h must be given"):
        T.CropTransform(0, 0, 2, 2).inverse()
