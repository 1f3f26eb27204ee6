"""Checks shared by the Python functions of several operators."""
