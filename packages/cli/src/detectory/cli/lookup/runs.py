"""Datasets of run folders, of recipes and of Detectron2 YAML configs."""

from pathlib import Path

from detectory.cli.lookup import detectron2_configs
from detectory.engine.recipe.lookup import load_run_recipe
from detectory.engine.recipe.run_folder import CONFIG_FILE


def register_datasets(run: Path, data: Path | None = None) -> None:
    """Register the dataset that a run was trained on; a missing one is only not registered.

    Args:
        run: The run folder.
        data: The folder of the dataset, if it was moved.
    """
    detectron2_run = detectron2_configs.find_run(run)
    if detectron2_run is not None:
        config_file, folder = detectron2_run
        detectron2_configs.load(config_file, (), data=data or folder)
    elif (run / CONFIG_FILE).is_file():
        load_run_recipe(run, needs_data=False, data=data)
