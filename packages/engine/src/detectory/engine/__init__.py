"""Trainer, hooks, schedules, launch, predictor and test-time augmentation."""
