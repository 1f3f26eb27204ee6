"""Pascal VOC's XML format."""

from __future__ import annotations
