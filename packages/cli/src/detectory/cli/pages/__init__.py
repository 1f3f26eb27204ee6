"""Training curves, dataset pages and annotated images."""
