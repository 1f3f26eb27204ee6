"""COCO's instances and keypoints format: reader, index and writer."""
