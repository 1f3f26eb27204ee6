"""Window: shows images on the screen with tkinter."""

import time
from typing import Any

import numpy as np
from PIL import Image


class Window:
    """Shows one image at a time, scaled down to fit the screen.

    Args:
        title: The window title.

    Raises:
        RuntimeError: If there is no display, or Python was built without tkinter.
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

    def show(self, image: np.ndarray, wait: bool) -> bool:
        """Show an image, (H, W, 3) uint8 RGB. Return False if the user quit with `q`, Escape or by closing.

        Args:
            image: The image.
            wait: Whether to wait until a key is pressed.
        """
        from PIL import ImageTk

        scaled = Image.fromarray(image)
        scaled.thumbnail((self._root.winfo_screenwidth(), self._root.winfo_screenheight() - 100))
        shown: Any = ImageTk.PhotoImage(scaled, master=self._root)
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
