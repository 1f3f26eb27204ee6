"""Resolution of names given on the command line: recipes, Detectron2 YAML configs, run folders and zoo models."""
