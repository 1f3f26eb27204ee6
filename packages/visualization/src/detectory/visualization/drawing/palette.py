"""A palette of 80 distinct colours, and random colours from it."""

import numpy as np

# Chosen greedily: each colour maximises the distance to all previous colours in Oklab (lightness weighted by 0.8).
# Candidates have a lightness of 0.5 to 0.88 and a chroma above 0.1, so that they are visible on dark and light images.
_HEX = (
    "2484f0 00fc00 fc0000 f000fc 247800 fccc84 24e4fc 904878 e4a8fc 7800f0 "
    "b4780c 60c06c fc54a8 009090 a86cf0 fc846c cce400 a800b4 00fcb4 a83c18 "
    "84b4fc 0048fc 6054b4 cc0060 c0789c cca800 006c9c 789030 b4e49c f06cf0 "
    "b424fc 24b4cc 00a800 8484cc 6c60fc d818a8 cc6054 fca8c0 78d80c b454b4 "
    "84600c 00d8b4 0060cc fc9c30 fc546c 009c60 cc84d8 9048cc 3c90c0 f06000 "
    "0ca8fc fccc00 a81884 cc0018 fc84cc a8cc54 cc3cd8 187854 fc0078 78f0d8 "
    "90f078 cc8460 00b49c c04884 9ca854 fc30cc 7884fc 5424fc b49cfc 00e478 "
    "a83054 fca884 9c6ca8 903c9c 9048fc 78a800 606c00 5448d8 ccc06c a8603c"
)


def colormap(rgb: bool = False, maximum: int = 255) -> np.ndarray:
    """Return the whole palette.

    Args:
        rgb: Whether the channels are in RGB order; otherwise in BGR order, as in OpenCV.
        maximum: The maximum value of a channel, 255 or 1.

    Returns:
        (80, 3) float32 in [0, maximum]. The first K colours are distinct enough for K classes.

    Raises:
        ValueError: If `maximum` is neither 255 nor 1.
    """
    if maximum not in (255, 1):
        raise ValueError(f"colormap: maximum must be 255 or 1, got {maximum}")
    colors = np.array([list(bytes.fromhex(code)) for code in _HEX.split()], dtype=np.float32)
    return (colors if rgb else colors[:, ::-1].copy()) * (np.float32(maximum) / np.float32(255))


def random_color(rgb: bool = False, maximum: int = 255) -> np.ndarray:
    """Return a random colour of the palette, using NumPy's global random generator.

    Args:
        rgb: Whether the channels are in RGB order; otherwise in BGR order.
        maximum: The maximum value of a channel, 255 or 1.

    Returns:
        (3,) float32 in [0, maximum].
    """
    colors = colormap(rgb, maximum)
    return colors[np.random.randint(0, len(colors))]


def random_colors(N: int, rgb: bool = False, maximum: int = 255) -> np.ndarray:
    """Return N random colours of the palette, using NumPy's global random generator.

    Args:
        N: Number of colours, at least 0. Colours repeat only if N exceeds the size of the palette.
        rgb: Whether the channels are in RGB order; otherwise in BGR order.
        maximum: The maximum value of a channel, 255 or 1.

    Returns:
        (N, 3) float32 in [0, maximum].
    """
    colors = colormap(rgb, maximum)
    rounds = -(-N // len(colors))
    order = np.concatenate([np.random.permutation(len(colors)) for _ in range(rounds)] or [np.zeros(0, np.int64)])
    return colors[order[:N]]
