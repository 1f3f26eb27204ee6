import numpy as np
import pytest

from detectory.data import transforms as T

IMAGE = np.random.default_rng(0).integers(0, 255, (40, 60, 3), dtype=np.uint8)


def shapes(augmentation, times=200, image=IMAGE):
    return {T.AugInput(image).apply_augmentations([augmentation]) and _size(augmentation, image) for _ in range(times)}


def _size(augmentation, image):
    given = T.AugInput(image)
    augmentation(given)
    return given.image.shape[:2]


def test_augmentation_changes_the_input_in_place_and_returns_the_transform():
    given = T.AugInput(IMAGE, boxes=np.array([[0, 0, 30, 20]], np.float32), sem_seg=IMAGE[:, :, 0])
    transform = T.AugmentationList([T.Resize((80, 120)), T.HFlipTransform(120)])(given)
    assert given.image.shape == (80, 120, 3)
    assert given.sem_seg.shape == (80, 120)
    assert given.boxes.tolist() == [[60, 0, 120, 40]]
    np.testing.assert_array_equal(transform.apply_image(IMAGE), given.image)


def test_get_transform_receives_the_named_attributes():
    class Crop(T.Augmentation):
        def get_transform(self, image, sem_seg):
            y, x = np.argwhere(sem_seg)[0]
            return T.CropTransform(int(x), int(y), 5, 4)

    labels = np.zeros((40, 60), np.uint8)
    labels[7, 9] = 1
    given = T.AugInput(IMAGE, sem_seg=labels)
    Crop()(given)
    np.testing.assert_array_equal(given.image, IMAGE[7:11, 9:14])


def test_rejects_inputs_without_a_required_attribute():
    class Odd(T.Augmentation):
        def get_transform(self, image, depth):
            return T.NoOpTransform()

    with pytest.raises(AttributeError, match=r"Odd\.get_transform needs 'depth'"):
        Odd()(T.AugInput(IMAGE))


def test_rejects_augmentations_that_do_not_return_a_transform():
    class Odd(T.Augmentation):
        def get_transform(self, image):
            return image

    with pytest.raises(TypeError, match="must return a Transform, got ndarray"):
        Odd()(T.AugInput(IMAGE))


@pytest.mark.parametrize(
    ("size", "length", "limit", "expected"),
    [
        ((480, 640), 800, 1333, (800, 1067)),
        ((426, 640), 800, 1333, (800, 1202)),
        ((300, 1000), 800, 1333, (400, 1333)),
        ((640, 480), 600, 10**9, (800, 600)),
    ],
    ids=str,
)
def test_resize_shortest_edge_limits_the_longest_edge(size, length, limit, expected):
    assert T.ResizeShortestEdge.get_output_shape(*size, length, limit) == expected


def test_shortest_edge_is_drawn_from_a_range_or_a_list():
    assert {min(s) for s in shapes(T.ResizeShortestEdge([20, 23]))} == {20, 21, 22, 23}
    assert {min(s) for s in shapes(T.ResizeShortestEdge([20, 50], sample_style="choice"))} == {20, 50}
    assert shapes(T.ResizeShortestEdge(0), times=2) == {(40, 60)}


def test_flip_frequency_equals_the_probability():
    flips = [isinstance(T.RandomFlip(0.3).get_transform(IMAGE), T.HFlipTransform) for _ in range(2000)]
    assert 0.25 < np.mean(flips) < 0.35
    assert isinstance(T.RandomFlip(1, horizontal=False, vertical=True).get_transform(IMAGE), T.VFlipTransform)


def test_rejects_a_flip_in_both_directions():
    with pytest.raises(ValueError, match="exactly one of horizontal and vertical"):
        T.RandomFlip(horizontal=True, vertical=True)


@pytest.mark.parametrize(
    ("kind", "size", "heights", "widths"),
    [
        ("relative", (0.5, 0.25), (20, 20), (15, 15)),
        ("relative_range", (0.5, 0.25), (20, 40), (15, 60)),
        ("absolute", (10, 100), (10, 10), (60, 60)),
        ("absolute_range", (10, 50), (10, 40), (10, 50)),
    ],
)
def test_crop_size_depends_on_the_crop_type(kind, size, heights, widths):
    found = np.array(sorted(shapes(T.RandomCrop(kind, size))))
    assert (found.min(axis=0) >= (heights[0], widths[0])).all()
    assert (found.max(axis=0) <= (heights[1], widths[1])).all()


def test_rejects_an_unknown_kind_of_crop():
    with pytest.raises(ValueError, match="crop_type must be one of relative_range, relative"):
        T.RandomCrop("relatve", (1, 1))


@pytest.mark.parametrize("size", [(20, 30), (64, 64), (64, 30)], ids=str)
def test_fixed_size_crop_returns_the_requested_size(size):
    given = T.AugInput(IMAGE, sem_seg=IMAGE[:, :, 0].clip(max=9))
    T.FixedSizeCrop(size)(given)
    assert given.image.shape[:2] == given.sem_seg.shape == size
    if size == (64, 64):
        assert (given.image[40:] == 128).all()
        assert (given.sem_seg[40:] == 255).all()


def test_large_scale_jitter_fits_the_target():
    for _ in range(20):
        given = T.AugInput(IMAGE)
        T.AugmentationList([T.ResizeScale(0.1, 2.0, 50, 50), T.FixedSizeCrop((50, 50))])(given)
        assert given.image.shape == (50, 50, 3)


def test_constrained_crop_limits_the_area_of_each_category():
    labels = np.zeros((40, 60), np.uint8)
    labels[:, 30:] = 1
    given = T.AugInput(IMAGE, sem_seg=labels)
    T.RandomCrop_CategoryAreaConstraint("absolute", (20, 40), 0.8)(given)
    assert np.bincount(given.sem_seg.ravel()).max() < 640


def test_min_iou_crop_overlaps_every_box():
    boxes = np.array([[5, 5, 35, 30]], np.float32)
    for _ in range(20):
        crop = T.MinIoURandomCrop(min_ious=(0.5,)).get_transform(IMAGE, boxes)
        assert isinstance(crop, (T.NoOpTransform, T.CropTransform))


@pytest.mark.parametrize(
    "augmentation",
    [
        T.RandomBrightness(0.5, 1.5),
        T.RandomContrast(0.5, 1.5),
        T.RandomSaturation(0.5, 1.5),
        T.RandomLighting(50),
        T.RandomRotation([-30, 30]),
        T.RandomRotation([0, 90], expand=False, center=[[0.2, 0.2], [0.8, 0.8]]),
        T.RandomExtent((0.5, 1.5), (0.2, 0.2)),
        T.RandomResize([(10, 20), (20, 10)]),
        T.RandomApply(T.Resize((10, 10)), 0.5),
    ],
    ids=lambda augmentation: type(augmentation).__name__,
)
def test_augmentations_are_random_and_keep_the_dtype(augmentation):
    results = []
    for _ in range(12):
        given = T.AugInput(IMAGE.copy(), boxes=np.array([[3, 3, 20, 20]], np.float32))
        augmentation(given)
        results.append(given.image.tobytes())
        assert given.image.dtype == np.uint8
    assert len(set(results)) > 1


def test_repr_contains_the_arguments():
    assert repr(T.RandomFlip(0.3)) == "RandomFlip(prob=0.3)"
    assert repr(T.ResizeTransform(1, 2, 3, 4)) == "ResizeTransform(h=1, w=2, new_h=3, new_w=4, interp=2)"


def test_equal_seeds_result_in_equal_augmentations():
    policies = [T.RandomCrop("relative_range", (0.3, 0.3)), T.RandomRotation([-9, 9]), T.RandomLighting(3.0)]
    images = []
    for _ in range(2):
        np.random.seed(3)
        given = T.AugInput(IMAGE)
        given.apply_augmentations(policies)
        images.append(given.image)
    np.testing.assert_array_equal(*images)


ON_PIXELS = [
    T.RandomHue(0.2),
    T.RandomPosterize(prob=1),
    T.RandomSolarize(0, 100, prob=1),
    T.RandomEqualize(prob=1),
    T.RandomAutoContrast(prob=1),
    T.RandomGrayscale(prob=1),
    T.RandomBlur(1, 2, prob=1),
    T.RandomColorJitter(),
]


@pytest.mark.parametrize("augmentation", ON_PIXELS, ids=lambda augmentation: type(augmentation).__name__)
def test_photometric_augmentations_keep_coordinates(augmentation):
    image = IMAGE // 2 + 30
    given = T.AugInput(image, boxes=np.array([[3, 3, 20, 20]], np.float32), sem_seg=image[:, :, 0])
    transform = augmentation(given)
    assert (given.image.shape, given.image.dtype) == (image.shape, np.uint8)
    assert (given.image != image).any()
    assert given.boxes.tolist() == [[3, 3, 20, 20]]
    np.testing.assert_array_equal(given.sem_seg, image[:, :, 0])
    np.testing.assert_array_equal(transform.apply_image(image), given.image)


@pytest.mark.parametrize("augmentation", ON_PIXELS[1:5], ids=lambda augmentation: type(augmentation).__name__)
def test_greyscale_images_keep_one_channel(augmentation):
    given = T.AugInput(IMAGE[:, :, :1])
    augmentation(given)
    assert given.image.shape == (40, 60, 1)


def test_hue_shift_by_half_results_in_the_complementary_colour():
    # Pillow's hue has 256 steps.
    red = np.full((2, 2, 3), [255, 0, 0], np.uint8)
    turned = T.RandomHue(0.5)
    turned._rand_range = lambda *bounds: 0.5 if bounds else 0.0
    assert turned.get_transform(red).apply_image(red)[0, 0].tolist() == [0, 252, 255]


def test_rejects_pixels_that_are_no_bytes():
    with pytest.raises(ValueError, match=r"RandomHue: expected a uint8 image of 3 channels, got \(4, 4\) of float32"):
        T.RandomHue()(T.AugInput(np.zeros((4, 4), np.float32)))


def test_large_scale_jitter_returns_the_requested_size():
    given = T.AugInput(IMAGE, boxes=np.array([[3, 3, 20, 20]], np.float32))
    transforms = T.LargeScaleJitter((50, 70))(given)
    assert given.image.shape == (50, 70, 3)
    np.testing.assert_allclose(transforms.apply_box(np.array([[3, 3, 20, 20]])), given.boxes, rtol=1e-5)
