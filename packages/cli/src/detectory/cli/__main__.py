"""Entry point of `python -m detectory.cli`, which is the same as `detectory`."""

from detectory.cli.app import main

main()
