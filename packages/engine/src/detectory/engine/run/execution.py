"""train_and_report: a training with its log file and its report."""

import contextlib

from omegaconf import DictConfig, OmegaConf

from detectory.core.distributed import get_rank
from detectory.core.logging import logged_to_file
from detectory.engine.recipe import claim_run_folder, train_config
from detectory.engine.report import report_at_end
from detectory.engine.run.run import Run


def train_and_report(
    config: DictConfig, *, resume: bool = False, overwrite: bool = False, verbose: bool = False
) -> Run:
    """Train the model of a config, with the log in `log.txt`, and write the report.

    Args:
        config: The recipe; see `train_config` for its settings.
        resume: Continue from the newest intact checkpoint in `train.output_dir`, if there is one.
        overwrite: Replace an earlier run in `train.output_dir`.
        verbose: Show the log in the terminal too.

    Returns:
        The run in `train.output_dir`.

    Raises:
        Exception: If the training fails, see `train_config`.
    """
    folder = str(OmegaConf.select(config, "train.output_dir") or "")
    with contextlib.ExitStack() as stack:
        if folder:  # else `train_config` reports the missing setting
            # Claimed before the log file is opened: a refused training does not write to the log of another one.
            stack.enter_context(claim_run_folder(folder, resume=resume, overwrite=overwrite))
            stack.enter_context(logged_to_file(folder, rank=get_rank(), terminal=verbose))
            stack.enter_context(report_at_end(folder))
        train_config(config, resume, overwrite=overwrite)
    return Run(folder)
