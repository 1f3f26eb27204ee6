"""Command-line tools with the flags of Detectron2's tools."""
