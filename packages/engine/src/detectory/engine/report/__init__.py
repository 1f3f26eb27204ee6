"""The report of a run: training curves, summary, page and drawings of annotated images."""

from detectory.engine.report.curves import plot_curves, read_history
from detectory.engine.report.drawings import draw_annotations, draw_outputs
from detectory.engine.report.end_of_training import report_at_end
from detectory.engine.report.page import write_report
from detectory.engine.report.run_summary import REPORT_FILE, RunSummary, read_run
from detectory.engine.report.summary_text import describe_run, format_summary, next_commands

__all__ = [
    "REPORT_FILE",
    "RunSummary",
    "describe_run",
    "draw_annotations",
    "draw_outputs",
    "format_summary",
    "next_commands",
    "plot_curves",
    "read_history",
    "read_run",
    "report_at_end",
    "write_report",
]
