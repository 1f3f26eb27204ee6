"""COCO's panoptic format: annotation files and PNG files."""
