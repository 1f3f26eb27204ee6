"""Detectron2's YAML configs as Python recipes: build once, note every call, write the calls down."""

from __future__ import annotations

from detectory.cli.conversion.recipe import recipe_config, recipe_text

__all__ = ["recipe_config", "recipe_text"]
