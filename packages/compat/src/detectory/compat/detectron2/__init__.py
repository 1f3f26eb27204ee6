"""Detectron2 under its own module paths: YAML configs, registries, builders, trainers."""
