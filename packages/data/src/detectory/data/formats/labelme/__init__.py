"""LabelMe's JSON format."""

from __future__ import annotations
