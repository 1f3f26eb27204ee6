"""The command `predict`: its inputs, the loop over them, and the drawings."""
