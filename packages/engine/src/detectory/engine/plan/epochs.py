"""The number of epochs by the number of training images, and the constants of the rule."""

import math

#: The whole training processes about this many images, however small the dataset is: from random weights …
MIN_IMAGES_FROM_RANDOM = 3000
#: … and from weights that were trained on ImageNet or COCO.
MIN_IMAGES_FROM_TRAINED = 2000
#: Limits of the number of epochs.
MIN_EPOCHS = 12
MAX_EPOCHS = 300


def choose_epochs(images: int, is_trained: bool) -> tuple[int, str]:
    """Return the number of epochs and the reason.

    Small datasets are repeated until a minimum number of images has been processed, large ones are passed over at
    least `MIN_EPOCHS` times.

    Args:
        images: Number of training images.
        is_trained: Whether the training starts from trained weights.
    """
    minimum = MIN_IMAGES_FROM_TRAINED if is_trained else MIN_IMAGES_FROM_RANDOM
    epochs = min(max(math.ceil(minimum / max(images, 1)), MIN_EPOCHS), MAX_EPOCHS)
    weights = "trained" if is_trained else "random"
    if epochs == MIN_EPOCHS:
        return epochs, f"{images} images need at least {MIN_EPOCHS} epochs"
    if epochs == MAX_EPOCHS:
        return epochs, f"the maximum, for {images} image{'s' * (images != 1)}"
    return epochs, f"about {minimum} images are processed from {weights} weights"
