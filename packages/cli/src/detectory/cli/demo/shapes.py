"""Textured shapes: outlines, anti-aliased coverage and random textures of five classes of polygons."""

import math

import numpy as np
from PIL import Image, ImageDraw

#: The classes, in the order of their category ids.
CLASSES = ("disc", "square", "triangle", "star", "cross")

_SUPERSAMPLING = 4


def outline(shape: str) -> np.ndarray:
    """Return the corners of a shape with radius 1 around the origin, (P, 2) float64.

    Raises:
        ValueError: If `shape` is not in `CLASSES`.
    """
    if shape == "disc":
        return _on_circle(np.arange(32) / 32)
    if shape == "square":
        return _on_circle(np.arange(4) / 4 + 1 / 8)
    if shape == "triangle":
        return _on_circle(np.arange(3) / 3)
    if shape == "star":
        return _on_circle(np.arange(10) / 10) * np.where(np.arange(10) % 2, 0.42, 1.0)[:, None]
    if shape == "cross":
        a, b = 0.3, 0.95
        return np.array(
            [(a, b), (a, a), (b, a), (b, -a), (a, -a), (a, -b), (-a, -b), (-a, -a), (-b, -a), (-b, a), (-a, a), (-a, b)]
        )
    raise ValueError(f"outline: shape must be one of {', '.join(CLASSES)}, got {shape!r}")


def _on_circle(turns: np.ndarray) -> np.ndarray:
    return np.stack([np.cos(2 * math.pi * turns), np.sin(2 * math.pi * turns)], axis=1)


def place(shape: str, center: tuple[float, float], radius: float, angle: float, stretch: float) -> np.ndarray:
    """Return the corners of a shape in the image, (P, 2) pixels.

    The shape is stretched along its x axis, rotated by `angle` (radians) and moved to `center`.
    """
    points = outline(shape) * (radius * stretch, radius)
    cos, sin = math.cos(angle), math.sin(angle)
    return points @ np.array([[cos, sin], [-sin, cos]]) + center


def coverage(points: np.ndarray, size: int) -> np.ndarray:
    """Return the fraction of every pixel that a polygon covers, (size, size) float32 in [0, 1]."""
    cover = np.zeros((size, size), np.float32)
    left, top = np.clip(np.floor(points.min(0)), 0, size - 1).astype(int)
    right, bottom = np.clip(np.ceil(points.max(0)), 1, size).astype(int)
    canvas = Image.new("L", ((right - left) * _SUPERSAMPLING, (bottom - top) * _SUPERSAMPLING))
    ImageDraw.Draw(canvas).polygon([tuple(point) for point in (points - (left, top)) * _SUPERSAMPLING], fill=255)
    fine = np.asarray(canvas, np.float32).reshape(bottom - top, _SUPERSAMPLING, right - left, _SUPERSAMPLING)
    cover[top:bottom, left:right] = fine.mean(axis=(1, 3)) / 255
    return cover


def texture(shape: str, size: int, rng: np.random.Generator) -> np.ndarray:
    """Return a texture (size, size, 3) float32 in [0, 255]: two random colours in the pattern of the class."""
    y, x = np.mgrid[0:size, 0:size].astype(np.float32)
    turn, period = rng.uniform(0, math.pi), rng.uniform(5, 9)
    u, v = x * math.cos(turn) + y * math.sin(turn), y * math.cos(turn) - x * math.sin(turn)
    wave_u, wave_v = np.sin(2 * math.pi * u / period), np.sin(2 * math.pi * v / period)
    pattern = {
        "disc": wave_u,
        "square": wave_u * wave_v,
        "triangle": np.maximum(wave_u, wave_v),
        "star": np.sin(2 * math.pi * (u + 3 * wave_v) / (2 * period)),
        "cross": rng.standard_normal((size, size)).astype(np.float32),
    }[shape]
    brightness = np.clip(0.5 + 0.9 * pattern, 0, 1)[..., None]
    dark, bright = _colors(rng)
    return dark * (1 - brightness) + bright * brightness


def _colors(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return a dark and a bright colour of one random hue, (3,) float32 each."""
    hue = rng.uniform(0, 2 * math.pi)
    tint = 0.5 + 0.5 * np.cos(hue + np.array([0, 2.1, 4.2]))
    return (40 + 60 * tint).astype(np.float32), (120 + 130 * tint).astype(np.float32)
