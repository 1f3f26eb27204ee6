"""COCO's panoptic format: reader, PNG files and validation rules."""
