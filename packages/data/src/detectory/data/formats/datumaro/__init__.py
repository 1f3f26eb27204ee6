"""Datumaro's JSON format: reader."""
