"""Dataset folders and their conversion, for the commands `train` and `data`."""
