"""Write `index.json` of the zoo's recipes and of the recipes of every project.

usage: python tools/write_recipe_index.py

The models are built on the meta device to count their parameters. The number is null if a model needs a package that is
not installed.
"""

import json
import pkgutil
import sys
from collections.abc import Iterable
from importlib import import_module
from pathlib import Path
from types import FrameType

import torch

from detectory.core.config import instantiate
from detectory.zoo.recipes import recipe_table

ROOT = Path(__file__).resolve().parent.parent
ZOO = "detectory.zoo.recipes"


class ModulesOfRecipes(dict):
    """The table of recipes, with the module that registered each of them."""

    def __init__(self) -> None:
        super().__init__()
        self.modules: dict[str, str] = {}

    def __setitem__(self, name: str, recipe: recipe_table.Recipe) -> None:
        self._record([name])
        super().__setitem__(name, recipe)

    def __ior__(self, recipes: dict[str, recipe_table.Recipe]) -> "ModulesOfRecipes":  # type: ignore[override, misc]
        self._record(recipes)
        return super().__ior__(recipes)

    def _record(self, names: Iterable[str]) -> None:
        frame: FrameType | None = sys._getframe(2)
        while frame and frame.f_globals["__name__"] == recipe_table.__name__:  # the decorator
            frame = frame.f_back
        self.modules |= dict.fromkeys(names, frame.f_globals["__name__"] if frame else "")


def import_all(package: str) -> None:
    """Import all modules below a package, which registers their recipes."""
    module = import_module(package)
    for info in pkgutil.walk_packages(module.__path__, f"{package}."):
        import_module(info.name)


def parameters_of(recipe: recipe_table.Recipe) -> int | None:
    """Return the number of parameters of a model, or None if it needs a package that is not installed."""
    try:
        with torch.device("meta"):
            model = instantiate(recipe().model)
    except ImportError:
        return None
    return sum(parameter.numel() for parameter in model.parameters())


def main() -> None:
    """Write the files of the zoo and of every project with recipes."""
    folders = {ZOO: ROOT / "packages" / "zoo" / "src" / "detectory" / "zoo" / "recipes"}
    for folder in sorted(ROOT.glob("projects/*/src/detectory/projects/*/recipes")):
        folders[f"detectory.projects.{folder.parent.name}.recipes"] = folder
    recipes = recipe_table.RECIPES = ModulesOfRecipes()
    for package, folder in folders.items():
        import_all(package)
        names = sorted(name for name, module in recipes.modules.items() if f"{module}.".startswith(f"{package}."))
        index = {name: {"module": recipes.modules[name], "parameters": parameters_of(recipes[name])} for name in names}
        (folder / "index.json").write_text(json.dumps(index, indent=1) + "\n", encoding="utf-8")
        print(f"{package}: {len(index)} recipes")


if __name__ == "__main__":
    main()
