"""yacs' config node under its module path."""
