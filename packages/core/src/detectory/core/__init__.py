"""Configs, checkpoints, events, storage, process groups, logging and registries."""
