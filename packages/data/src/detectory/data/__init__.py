"""Dataset catalogs, readers, augmentations, samplers and loaders."""
