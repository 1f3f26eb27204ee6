"""Boxes, masks, keypoints, instances and image batches as typed tensors."""
