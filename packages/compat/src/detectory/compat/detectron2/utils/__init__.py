"""Registries, communication, logging, events and drawing."""
