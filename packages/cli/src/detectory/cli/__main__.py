"""`python -m detectory.cli` is the command `detectory`."""

from detectory.cli.app import main

main()
