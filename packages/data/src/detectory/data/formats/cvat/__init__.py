"""CVAT's XML format "CVAT for images 1.1": reader."""
