"""fvcore's documented symbols on Detectory."""
