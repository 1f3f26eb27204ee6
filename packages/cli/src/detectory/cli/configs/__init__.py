"""Display and comparison of configs, and conversion of Detectron2 YAML configs to recipes."""
