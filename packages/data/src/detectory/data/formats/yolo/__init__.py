"""YOLO's text format."""

from __future__ import annotations
