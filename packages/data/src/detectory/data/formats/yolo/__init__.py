"""YOLO's text format: reader and writer."""
