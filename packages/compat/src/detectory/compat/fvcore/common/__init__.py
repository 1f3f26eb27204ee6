"""Configs, checkpoints, schedules and registries under fvcore's module paths."""
