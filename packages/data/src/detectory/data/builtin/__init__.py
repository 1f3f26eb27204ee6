"""The built-in datasets and the preparation of their files."""

from __future__ import annotations
