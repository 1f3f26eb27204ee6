"""Datasets, mappers and meshes."""
