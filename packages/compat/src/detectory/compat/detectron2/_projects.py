"""Table of the research projects, which are separate distributions, and the finder that resolves their module paths.

A project `detectory-NAME` has its Detectron2 interface in `detectory.projects.NAME.detectron2`: adders of config keys,
registered classes and YAML configs. This package does not import any project, except on behalf of a program that
imports the project or uses one of its configs.
"""

import importlib
import importlib.abc
import importlib.machinery
import importlib.util
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import NamedTuple, NoReturn

from detectory.compat.detectron2._aliases import AliasFinder
from detectory.compat.detectron2.config import CfgNode

_ROOT = "detectory.compat.detectron2.projects"
_POINT_REND = "detectory.projects.point_rend.detectron2"
_DEEPLAB = "detectory.projects.deeplab.detectron2"
_PANOPTIC_DEEPLAB = "detectory.projects.deeplab.detectron2.panoptic"
_DENSEPOSE = "detectory.projects.densepose.detectron2"
_TENSORMASK = "detectory.projects.tensormask.detectron2"
_TRIDENTNET = "detectory.projects.tridentnet.detectron2"
_POINT_SUP = "detectory.projects.point_sup.detectron2"


class Project(NamedTuple):
    """A research project.

    Attributes:
        distribution: Name of the distribution.
        package: Package with the Detectron2 interface.
        adders: Dotted names of the functions that add the config keys, in the order in which they are called.
    """

    distribution: str
    package: str
    adders: tuple[str, ...]

    def is_installed(self) -> bool:
        """Whether the distribution is installed; the package is not imported."""
        try:
            spec = importlib.util.find_spec("detectory.projects")
        except ModuleNotFoundError:
            return False
        folders = spec.submodule_search_locations if spec is not None else None
        parts = self.package.split(".")[2:]
        return any(Path(folder, *parts).is_dir() for folder in folders or ())

    def configs(self) -> Path:
        """Return the folder of the YAML configs of an installed project."""
        return Path(str(importlib.import_module(self.package).__file__)).parent / "configs"

    def add_keys(self, cfg: CfgNode) -> CfgNode:
        """Add the config keys of an installed project to a config, in place, and return it."""
        for adder in self.adders:
            module, _, function = adder.rpartition(".")
            getattr(importlib.import_module(module), function)(cfg)
        return cfg

    def raise_missing(self, name: str) -> NoReturn:
        """Raise the error for a module or config of a project that is not installed."""
        message = f"{name} is part of {self.distribution}, which is not installed. Install it with: pip install "
        raise ModuleNotFoundError(f'{message}"{self.distribution}[detectron2]"', name=name)


#: Projects by the name of their folder in Detectron2's repository, which starts the names of their configs.
PROJECTS = {
    "PointRend": Project("detectory-point-rend", _POINT_REND, (f"{_POINT_REND}.add_pointrend_config",)),
    "DeepLab": Project("detectory-deeplab", _DEEPLAB, (f"{_DEEPLAB}.add_deeplab_config",)),
    "Panoptic-DeepLab": Project(
        "detectory-deeplab", _PANOPTIC_DEEPLAB, (f"{_PANOPTIC_DEEPLAB}.add_panoptic_deeplab_config",)
    ),
    "DensePose": Project("detectory-densepose", _DENSEPOSE, (f"{_DENSEPOSE}.add_densepose_config",)),
    "TensorMask": Project("detectory-tensormask", _TENSORMASK, (f"{_TENSORMASK}.add_tensormask_config",)),
    "TridentNet": Project("detectory-tridentnet", _TRIDENTNET, (f"{_TRIDENTNET}.add_tridentnet_config",)),
    "PointSup": Project(
        "detectory-point-sup",
        _POINT_SUP,
        (f"{_POINT_REND}.add_pointrend_config", f"{_POINT_SUP}.add_point_sup_config"),
    ),
}
#: Module paths under `detectron2.projects`.
SUBMODULES = {
    f"{_ROOT}.point_rend": PROJECTS["PointRend"],
    f"{_ROOT}.deeplab": PROJECTS["DeepLab"],
    f"{_ROOT}.panoptic_deeplab": PROJECTS["Panoptic-DeepLab"],
}
#: Top-level packages, which users of Detectron2 put on the path.
TOP_LEVEL = {
    "densepose": PROJECTS["DensePose"],
    "point_rend": PROJECTS["PointRend"],
    "point_sup": PROJECTS["PointSup"],
    "tensormask": PROJECTS["TensorMask"],
    "tridentnet": PROJECTS["TridentNet"],
}


class _MissingLoader(importlib.abc.Loader):
    """Loader of a project that is not installed."""

    def __init__(self, project: Project) -> None:
        self._project = project

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType:
        self._project.raise_missing(spec.name.replace("detectory.compat.detectron2", "detectron2"))

    def exec_module(self, module: ModuleType) -> None:
        """Not reached: `create_module` raises."""


class ProjectFinder(importlib.abc.MetaPathFinder):
    """Finder that resolves module paths to projects.

    The import of a project that is not installed raises an error with the install command.

    Args:
        projects: Projects by module path.
    """

    def __init__(self, projects: Mapping[str, Project]) -> None:
        self.projects = projects
        self._aliases = AliasFinder({alias: project.package for alias, project in projects.items()})

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """Return the spec of a module of a project, or None for other names."""
        for alias, project in self.projects.items():
            if fullname == alias or fullname.startswith(f"{alias}."):
                if project.is_installed():
                    return self._aliases.find_spec(fullname, path, target)
                return importlib.machinery.ModuleSpec(fullname, _MissingLoader(project))
        return None


def find_project_config(config_path: str) -> tuple[str, Path] | None:
    """Return the name of the project and the file of a config, or None if the config does not belong to a project.

    Args:
        config_path: Name such as `"PointRend/InstanceSegmentation/pointrend_rcnn_R_50_FPN_1x_coco.yaml"`, or the path
            in a checkout of Detectron2, `"projects/PointRend/configs/InstanceSegmentation/…"`.

    Raises:
        ModuleNotFoundError: If the project is not installed; the message contains the install command.
    """
    folder, _, rest = config_path.removeprefix("projects/").partition("/")
    if folder not in PROJECTS:
        return None
    project = PROJECTS[folder]
    if not project.is_installed():
        project.raise_missing(config_path)
    return folder, project.configs() / rest.removeprefix("configs/")
