"""The built-in datasets and the preparation of their files."""
