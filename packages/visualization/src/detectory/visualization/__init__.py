"""Draws detections, masks, keypoints and segmentations on images."""
