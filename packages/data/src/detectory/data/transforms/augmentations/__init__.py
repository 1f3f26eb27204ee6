"""Augmentations, which choose a transform for each image, often at random."""
