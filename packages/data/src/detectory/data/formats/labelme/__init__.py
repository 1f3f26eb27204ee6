"""LabelMe's JSON format: reader and writer."""
