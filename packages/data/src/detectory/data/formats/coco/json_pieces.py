"""Read a large JSON file value by value, a piece of its text at a time."""

import json
import re
from collections.abc import Iterator
from typing import IO, Any

_PIECE = 1 << 23
_SPACE = re.compile(r"[ \t\n\r]*")


class JsonPieces:
    """The members of a JSON object in a text file, of which only a window is in memory.

    Args:
        file: The open file. What has been read is forgotten.
        piece: How many characters are read at once.

    Raises:
        ValueError: Here and in all methods: this is no JSON object. `read_json` can say where and why not.
    """

    def __init__(self, file: IO[str], piece: int = _PIECE) -> None:
        self._file, self._piece = file, piece
        self._text, self._at = "", 0
        self._parse = json.JSONDecoder().raw_decode
        self._expect("{")

    def members(self) -> Iterator[str]:
        """Yield each key in turn; take its value with `value` or `elements` before the next key."""
        if self._peek() == "}":
            self._at += 1
        else:
            separator = ","
            while separator == ",":
                key = self.value()
                if not isinstance(key, str):
                    raise ValueError("a key must be a string")
                self._expect(":")
                yield key
                separator = self._expect(",}")
        if self._peek():
            raise ValueError("there is something behind the object")

    def elements(self) -> Iterator[Any]:
        """Yield the elements of a list; each is parsed when it is asked for."""
        self._expect("[")
        if self._peek() == "]":
            self._at += 1
            return
        separator = ","
        while separator == ",":
            yield self.value()
            separator = self._expect(",]")

    def value(self) -> Any:
        """Parse the next value whole."""
        self._peek()
        while True:
            try:
                value, end = self._parse(self._text, self._at)
            except ValueError:
                # Perhaps it is only cut off at the end of the window.
                if not self._read_on():
                    raise
                continue
            # The number 12 may be the beginning of 123.
            if end == len(self._text) and self._read_on():
                continue
            self._at = end
            return value

    def _expect(self, characters: str) -> str:
        """Take the next character, which must be one of these."""
        found = self._peek()
        if not found or found not in characters:
            raise ValueError(f"expected one of {characters}")
        self._at += 1
        return found

    def _peek(self) -> str:
        """Move to the next character that is no space and return it; nothing at the end of the file."""
        while True:
            match = _SPACE.match(self._text, self._at)
            self._at = match.end() if match else self._at
            if self._at < len(self._text):
                return self._text[self._at]
            if not self._read_on():
                return ""

    def _read_on(self) -> bool:
        """Put the next piece behind what is not parsed yet; False at the end of the file."""
        rest = self._text[self._at :]
        # A value larger than a piece is parsed again each time: the pieces grow with it.
        piece = self._file.read(max(self._piece, len(rest)))
        self._text, self._at = rest + piece, 0
        return bool(piece)
