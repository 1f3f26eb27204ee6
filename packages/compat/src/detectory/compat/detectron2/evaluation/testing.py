"""Results as text, and their check, under Detectron2's module path."""

from detectory.evaluation import flatten_results_dict, print_csv_format, verify_results

__all__ = ["flatten_results_dict", "print_csv_format", "verify_results"]
