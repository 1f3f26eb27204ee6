"""fvcore's documented symbols on Detectory."""

__version__ = "0.1.5"  # the fvcore release whose behaviour is reproduced
