"""Commands on exported files: export, prediction and evaluation."""
