"""`python -m detectory.cli` is the command `detectory`."""

from __future__ import annotations

from detectory.cli.app import main

main()
