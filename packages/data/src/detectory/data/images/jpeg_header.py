"""Look into the header of a JPEG file."""

from typing import NamedTuple

# Markers that start a frame: all of C0 to CF but DHT, JPG and DAC.
_FRAME_MARKERS = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}


class JpegHeader(NamedTuple):
    """What the first frame of a JPEG file says.

    Attributes:
        width: Columns as stored, before any EXIF rotation.
        height: Rows as stored.
        components: 1 grey, 3 colour, 4 CMYK.
        bits: Bits per sample.
        is_complete: Whether the end marker is there.
    """

    width: int
    height: int
    components: int
    bits: int
    is_complete: bool


def read_jpeg_header(data: bytes) -> JpegHeader | None:
    """Parse the segments up to the first frame; None for what is no JPEG file or breaks off before."""
    if data[:2] != b"\xff\xd8":
        return None
    place = 2
    while place + 4 <= len(data):
        if data[place] != 0xFF:
            return None
        marker = data[place + 1]
        if marker == 0xFF:
            place += 1
            continue
        if marker in _FRAME_MARKERS:
            if place + 10 > len(data):
                return None
            height, width = (int.from_bytes(data[place + at : place + at + 2], "big") for at in (5, 7))
            # Some writers append bytes after the end marker.
            is_complete = data.rfind(b"\xff\xd9", max(len(data) - 65536, place)) >= 0
            return JpegHeader(width, height, data[place + 9], data[place + 4], is_complete)
        if 0xD0 <= marker <= 0xD9 or marker == 0x01:
            place += 2
            continue
        place += 2 + int.from_bytes(data[place + 2 : place + 4], "big")
    return None
