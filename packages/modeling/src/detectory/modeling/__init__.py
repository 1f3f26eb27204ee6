"""Backbones, proposal generators, ROI heads and meta-architectures with plain constructors."""
