"""The demo: a generated dataset, a small recipe, the pipeline and the result page."""
