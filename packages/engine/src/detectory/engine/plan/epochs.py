"""The number of epochs by the number of training images, and the constants of the rule."""

import math

#: The whole training processes about this many images, however small the dataset is: if the heads are new …
MIN_IMAGES_OF_NEW_HEADS = 4000
#: … and from the weights of a whole detector, such as COCO weights.
MIN_IMAGES_OF_TRAINED_HEADS = 2000
#: Limits of the number of epochs.
MIN_EPOCHS = 12
MAX_EPOCHS = 300


def choose_epochs(images: int, has_trained_heads: bool) -> tuple[int, str]:
    """Return the number of epochs and the reason.

    Small datasets are repeated until a minimum number of images has been processed, large ones are passed over at
    least `MIN_EPOCHS` times.

    Args:
        images: Number of training images.
        has_trained_heads: Whether the training starts from the weights of a whole detector, not only of its backbone.
    """
    minimum = MIN_IMAGES_OF_TRAINED_HEADS if has_trained_heads else MIN_IMAGES_OF_NEW_HEADS
    epochs = min(max(math.ceil(minimum / max(images, 1)), MIN_EPOCHS), MAX_EPOCHS)
    heads = "trained" if has_trained_heads else "new"
    if epochs == MIN_EPOCHS:
        return epochs, f"{images} images need at least {MIN_EPOCHS} epochs"
    if epochs == MAX_EPOCHS:
        return epochs, f"the maximum, for {images} image{'s' * (images != 1)}"
    return epochs, f"about {minimum} images train {heads} heads"
