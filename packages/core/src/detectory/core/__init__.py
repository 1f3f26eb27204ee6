"""Configuration, registries, events, storage, checkpoints and process groups: what every other package stands on."""
