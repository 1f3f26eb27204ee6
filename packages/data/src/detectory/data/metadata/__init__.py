"""Class names, colours and ids of well-known datasets."""

from __future__ import annotations
