"""Evaluators for boxes, masks, keypoints, panoptic and semantic segmentation."""
