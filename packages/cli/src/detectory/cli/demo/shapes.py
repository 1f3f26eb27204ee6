"""Textured shapes: five classes of polygons, drawn anti-aliased with jittered colours onto photographs."""

import math

import numpy as np
from PIL import Image, ImageDraw

#: The classes, in the order of their category ids.
CLASSES = ("disc", "square", "triangle", "star", "cross")

_SUPERSAMPLING = 4


def outline(kind: str) -> np.ndarray:
    """Return the corners of a shape of radius 1 around the origin, (P, 2) float64.

    Raises:
        ValueError: `kind` is none of `CLASSES`.
    """
    if kind == "disc":
        return _on_circle(np.arange(32) / 32)
    if kind == "square":
        return _on_circle(np.arange(4) / 4 + 1 / 8)
    if kind == "triangle":
        return _on_circle(np.arange(3) / 3)
    if kind == "star":
        return _on_circle(np.arange(10) / 10) * np.where(np.arange(10) % 2, 0.42, 1.0)[:, None]
    if kind == "cross":
        a, b = 0.3, 0.95
        return np.array(
            [(a, b), (a, a), (b, a), (b, -a), (a, -a), (a, -b), (-a, -b), (-a, -a), (-b, -a), (-b, a), (-a, a), (-a, b)]
        )
    raise ValueError(f"outline: unknown kind {kind!r}; known are {', '.join(CLASSES)}")


def _on_circle(turns: np.ndarray) -> np.ndarray:
    return np.stack([np.cos(2 * math.pi * turns), np.sin(2 * math.pi * turns)], axis=1)


def place(kind: str, center: tuple[float, float], radius: float, angle: float, stretch: float) -> np.ndarray:
    """Return the corners of a shape in the picture, (P, 2) pixels: stretched along its own x axis, rotated, moved."""
    points = outline(kind) * (radius * stretch, radius)
    cos, sin = math.cos(angle), math.sin(angle)
    return points @ np.array([[cos, sin], [-sin, cos]]) + center


def coverage(points: np.ndarray, size: int) -> np.ndarray:
    """Return how much of every pixel a polygon covers, (size, size) float32 in 0..1."""
    cover = np.zeros((size, size), np.float32)
    left, top = np.clip(np.floor(points.min(0)), 0, size - 1).astype(int)
    right, bottom = np.clip(np.ceil(points.max(0)), 1, size).astype(int)
    canvas = Image.new("L", ((right - left) * _SUPERSAMPLING, (bottom - top) * _SUPERSAMPLING))
    ImageDraw.Draw(canvas).polygon([tuple(point) for point in (points - (left, top)) * _SUPERSAMPLING], fill=255)
    fine = np.asarray(canvas, np.float32).reshape(bottom - top, _SUPERSAMPLING, right - left, _SUPERSAMPLING)
    cover[top:bottom, left:right] = fine.mean(axis=(1, 3)) / 255
    return cover


def texture(kind: str, size: int, rng: np.random.Generator) -> np.ndarray:
    """Return a picture (size, size, 3) float32 in 0..255: two jittered colours in the pattern of the class."""
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
    }[kind]
    share = np.clip(0.5 + 0.9 * pattern, 0, 1)[..., None]
    dark, bright = _colors(rng)
    return dark * (1 - share) + bright * share


def _colors(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Two colours of one random hue, far enough apart to be seen as a pattern."""
    hue = rng.uniform(0, 2 * math.pi)
    tint = 0.5 + 0.5 * np.cos(hue + np.array([0, 2.1, 4.2]))
    return (40 + 60 * tint).astype(np.float32), (120 + 130 * tint).astype(np.float32)
