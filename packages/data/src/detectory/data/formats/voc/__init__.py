"""Pascal VOC's XML format: reader and writer."""
