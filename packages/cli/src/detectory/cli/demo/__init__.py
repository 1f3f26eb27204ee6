"""The demonstration: a small dataset made on the spot, a Mask R-CNN trained on it, and a page that shows both."""
