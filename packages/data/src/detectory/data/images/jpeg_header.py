"""Parser for the header of JPEG files."""

from typing import NamedTuple

# Start-of-frame markers: C0 to CF except DHT, JPG and DAC (ITU-T T.81, table B.1).
_FRAME_MARKERS = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}


class JpegHeader(NamedTuple):
    """The first frame header of a JPEG file.

    Attributes:
        width: The stored width in pixels, before EXIF rotation.
        height: The stored height in pixels.
        components: 1 for grey, 3 for colour, 4 for CMYK.
        bits: Bits per sample.
        is_complete: Whether the end marker is present.
    """

    width: int
    height: int
    components: int
    bits: int
    is_complete: bool


def read_jpeg_header(data: bytes) -> JpegHeader | None:
    """Parse the segments up to the first frame; return None if the file is not a JPEG or is truncated before it."""
    if data[:2] != b"\xff\xd8":
        return None
    offset = 2
    while offset + 4 <= len(data):
        if data[offset] != 0xFF:
            return None
        marker = data[offset + 1]
        if marker == 0xFF:
            offset += 1
            continue
        if marker in _FRAME_MARKERS:
            if offset + 10 > len(data):
                return None
            height, width = (int.from_bytes(data[offset + at : offset + at + 2], "big") for at in (5, 7))
            # Some writers append bytes after the end marker.
            is_complete = data.rfind(b"\xff\xd9", max(len(data) - 65536, offset)) >= 0
            return JpegHeader(width, height, data[offset + 9], data[offset + 4], is_complete)
        if 0xD0 <= marker <= 0xD9 or marker == 0x01:
            offset += 2
            continue
        offset += 2 + int.from_bytes(data[offset + 2 : offset + 4], "big")
    return None
