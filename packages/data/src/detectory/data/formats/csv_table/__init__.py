"""CSV tables of boxes: reader."""
