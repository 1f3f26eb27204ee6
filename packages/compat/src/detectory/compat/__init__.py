"""Detectron2's configs, registries, module paths and checkpoints on Detectory's library."""
