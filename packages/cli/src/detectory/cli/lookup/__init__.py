"""What a name on the command line refers to: recipes, Detectron2 YAML configs, run folders, models of the zoo."""
