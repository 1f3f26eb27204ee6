"""DOTA's text format of rotated boxes: reader and writer."""
