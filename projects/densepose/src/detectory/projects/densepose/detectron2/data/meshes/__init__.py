"""Meshes."""

from .catalog import MeshCatalog, MeshInfo, register_mesh

__all__ = ["MeshCatalog", "MeshInfo", "register_mesh"]
