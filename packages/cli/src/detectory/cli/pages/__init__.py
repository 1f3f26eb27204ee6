"""HTML pages and drawings: training curves, dataset statistics and annotated images."""
