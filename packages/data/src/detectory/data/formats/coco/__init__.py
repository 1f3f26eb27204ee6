"""COCO's instances and keypoints format: reader, memory-mapped index, writer and validation rules."""
