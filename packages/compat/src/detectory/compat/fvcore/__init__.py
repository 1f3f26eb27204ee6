"""The documented symbols of fvcore, on Detectory's library."""
