"""Augmentations, which choose a transform for each image, from the image or at random."""
