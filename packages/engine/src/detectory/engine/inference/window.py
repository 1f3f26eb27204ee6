"""A window that shows pictures, by Python's own tkinter."""

import time
from typing import Any

import numpy as np
from PIL import Image


class Window:
    """Shows one picture at a time, made smaller where the screen is.

    Args:
        title: Of the window.

    Raises:
        RuntimeError: there is no display, or Python was built without tkinter.
    """

    def __init__(self, title: str) -> None:
        try:
            import tkinter
        except ImportError as error:
            raise RuntimeError("a window needs tkinter, which this Python lacks: install python3-tk") from error
        try:
            self._root = tkinter.Tk()
        except tkinter.TclError as error:
            raise RuntimeError(f"a window needs a display: {error}") from error
        self._gone = tkinter.TclError
        self._root.title(title)
        self._label = tkinter.Label(self._root)
        self._label.pack()
        self._pressed: str | None = None
        self._open = True
        self._root.bind("<Key>", self._press)
        self._root.protocol("WM_DELETE_WINDOW", self._leave)

    def show(self, picture: np.ndarray, wait: bool) -> bool:
        """Show a picture, (H, W, 3) uint8 RGB; return False when the person wants to end.

        Args:
            picture: What to show.
            wait: Until a key is pressed; otherwise go on at once.
        """
        from PIL import ImageTk

        image = Image.fromarray(picture)
        image.thumbnail((self._root.winfo_screenwidth(), self._root.winfo_screenheight() - 100))
        shown: Any = ImageTk.PhotoImage(image, master=self._root)
        self._label.configure(image=shown)
        self._pressed = None
        self._root.update()
        while wait and self._open and self._pressed is None:
            time.sleep(0.02)
            self._root.update()
        return self._open and self._pressed not in ("q", "Escape")

    def close(self) -> None:
        """Close the window."""
        if self._open:
            self._leave()

    def _press(self, event: Any) -> None:
        self._pressed = event.keysym

    def _leave(self) -> None:
        self._open = False
        self._root.destroy()
