"""LabelMe's JSON format."""
