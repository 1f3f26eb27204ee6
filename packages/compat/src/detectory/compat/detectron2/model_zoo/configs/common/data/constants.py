"""Mean and deviation of ImageNet's pixels, in the two orders of channels and two ranges."""

from detectory.zoo.parts.resnet import BGR_MEAN, RGB_MEAN, RGB_STD

constants = {
    "imagenet_rgb256_mean": RGB_MEAN,
    "imagenet_rgb256_std": RGB_STD,
    "imagenet_bgr256_mean": BGR_MEAN,
    # Weights from MSRA divide by the deviation in their first layer.
    "imagenet_bgr256_std": [1.0, 1.0, 1.0],
}
