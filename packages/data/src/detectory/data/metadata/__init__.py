"""Class names, colours and ids of well-known datasets."""
