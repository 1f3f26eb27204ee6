"""COCO's panoptic format: annotation files and PNG files."""

from __future__ import annotations
