"""Prediction on images, videos and cameras, for `detectory predict`."""
