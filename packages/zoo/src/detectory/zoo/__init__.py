"""Recipes, published weights and figures of the model zoo."""
