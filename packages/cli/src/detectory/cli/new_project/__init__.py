"""Creation of packages for new models: library, recipe, tests and README."""

from detectory.cli.new_project.create import create_project

__all__ = ["create_project"]
