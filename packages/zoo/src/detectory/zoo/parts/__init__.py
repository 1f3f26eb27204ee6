"""Building blocks of recipes: model parts, data loaders, optimizers and schedules, as LazyConfig nodes."""
