"""COCO's instances and keypoints format: reader, index and writer."""

from __future__ import annotations
