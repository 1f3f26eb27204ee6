"""The catalog of meshes."""

from detectory.projects.densepose.structures.mesh import MeshCatalog, MeshInfo, register_mesh

__all__ = ["MeshCatalog", "MeshInfo", "register_mesh"]
