"""Training in one call: from a recipe to a run with its report."""

from omegaconf import DictConfig, OmegaConf

from detectory.core.distributed import is_main_process
from detectory.engine.hooks.run_record import read_record
from detectory.engine.recipe import TrainingInterrupted, train_config
from detectory.engine.report import try_to_write_report
from detectory.engine.run.run import Run


def train(config: DictConfig, resume: bool = False, *, overwrite: bool = False) -> Run:
    """Train the model of a recipe and write the report of the run.

    Args:
        config: The recipe; see `train_config` for its settings.
        resume: Continue from the newest intact checkpoint in `train.output_dir`, if there is one.
        overwrite: Replace an earlier run in `train.output_dir`.

    Returns:
        The run in `train.output_dir`.

    Raises:
        TrainingInterrupted: If SIGTERM or Ctrl-C was received, after a checkpoint and a report were written.
        Exception: Any error of `train_config`.
    """
    folder = str(OmegaConf.select(config, "train.output_dir"))  # "None" if the setting is missing, which is an error
    earlier = read_record(folder)
    try:
        train_config(config, resume, overwrite=overwrite)
    except (Exception, TrainingInterrupted):
        # The record is unchanged if the training was refused before its first iteration.
        if is_main_process() and read_record(folder) != earlier:
            try_to_write_report(folder, quick=True)
        raise
    if is_main_process():
        try_to_write_report(folder)
    return Run(folder)
