"""Incremental parser for large JSON files.

`json.loads` needs the whole text and all parsed objects in memory: several gigabytes for the larger COCO-style files.
A streaming parser in pure Python would be much slower than the C scanner of the standard library. `JsonPieces` combines
both: a window moves over the file, and the C scanner (`JSONDecoder.raw_decode`) parses one element of a list at a time
out of the window.
"""

import json
import re
from collections.abc import Iterator
from typing import IO, Any

_PIECE = 1 << 23
_SPACE = re.compile(r"[ \t\n\r]*")


class JsonPieces:
    """The members of a JSON object in a text file, with only a window of the text in memory.

    Invariant: `_text[_position:]` starts with the text that is not parsed yet, and the file is positioned behind
    `_text`.

    Args:
        file: The open file.
        piece: The number of characters per read.

    Raises:
        ValueError: If the file is not a JSON object; the methods raise it too. The message has no position: use
            `read_json` to locate the error.
    """

    def __init__(self, file: IO[str], piece: int = _PIECE) -> None:
        self._file, self._piece = file, piece
        self._text, self._position = "", 0
        self._parse = json.JSONDecoder().raw_decode
        self._expect("{")

    def members(self) -> Iterator[str]:
        """Yield the keys. Consume the value of each key with `value` or `elements` before the next key."""
        if self._peek() == "}":
            self._position += 1
        else:
            separator = ","
            while separator == ",":
                key = self.value()
                if not isinstance(key, str):
                    raise ValueError("JSON keys must be strings")
                self._expect(":")
                yield key
                separator = self._expect(",}")
        if self._peek():
            raise ValueError("unexpected text after the JSON object")

    def elements(self) -> Iterator[Any]:
        """Yield the elements of a list, each parsed when it is requested."""
        self._expect("[")
        if self._peek() == "]":
            self._position += 1
            return
        separator = ","
        while separator == ",":
            yield self.value()
            separator = self._expect(",]")

    def value(self) -> Any:
        """Parse and return the next value."""
        self._peek()
        while True:
            try:
                value, end = self._parse(self._text, self._position)
            except ValueError:
                # The value may continue behind the window. At the end of the file the text is really invalid.
                if not self._read_piece():
                    raise
                continue
            # A number that ends with the window may continue in the next piece: 12 | 3.
            if end == len(self._text) and self._read_piece():
                continue
            self._position = end
            return value

    def _expect(self, characters: str) -> str:
        """Consume and return the next character, which must be one of `characters`."""
        character = self._peek()
        if not character or character not in characters:
            raise ValueError(f"expected one of {characters!r}, got {character!r}")
        self._position += 1
        return character

    def _peek(self) -> str:
        """Skip whitespace and return the next character without consuming it, or an empty string at the end."""
        while True:
            match = _SPACE.match(self._text, self._position)
            self._position = match.end() if match else self._position
            if self._position < len(self._text):
                return self._text[self._position]
            if not self._read_piece():
                return ""

    def _read_piece(self) -> bool:
        """Drop the parsed text and append the next piece to the window; return False at the end of the file."""
        rest = self._text[self._position :]
        # A value larger than the window is parsed from its start after each read. Reading at least as much as the
        # window contains doubles the window every time, so the total work stays linear in the size of the value.
        piece = self._file.read(max(self._piece, len(rest)))
        self._text, self._position = rest + piece, 0
        return bool(piece)
