"""YOLO's text format."""
