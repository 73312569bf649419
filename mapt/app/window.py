"""Shows annotated frames in a window while they are tracked (`mapt track --show`). No torch."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import cv2
import numpy as np

from mapt.drawing.text import Image
from mapt.errors import InputError

SHARE = 0.9  # of the screen that the picture may fill


class DisplayWindow:
    """A window that shows one picture after the other, in Python's own toolkit.

    Closing it, or the keys q and Escape, end the showing; the run goes on without it.
    """

    def __init__(self, tkinter: Any) -> None:
        self._tkinter = tkinter
        self._root = tkinter.Tk()
        self._root.title("MAPT")
        self._panel = tkinter.Label(self._root, borderwidth=0)
        self._panel.pack()
        self._photo: Any = None
        self.open = True
        self._root.protocol("WM_DELETE_WINDOW", self.close)
        for key in ("q", "<Escape>"):
            self._root.bind(key, lambda _event: self.close())

    def show(self, name: str, picture: Image) -> None:
        """Show the next picture (H,W,3) uint8 RGB of a sequence, shrunk to a small screen."""
        try:
            fitted = self._fitted(picture)
            head = f"P6 {fitted.shape[1]} {fitted.shape[0]} 255\n".encode()
            photo = self._tkinter.PhotoImage(
                master=self._root, data=head + fitted.tobytes(), format="PPM"
            )
            self._panel.configure(image=photo)
            self._photo = photo  # the toolkit keeps no reference of its own
            self._root.title(f"MAPT: {name}")
            self._root.update()
        except self._tkinter.TclError:  # the display went away
            self.open = False

    def close(self) -> None:
        """Close the window."""
        self.open = False
        with suppress(self._tkinter.TclError):
            self._root.destroy()

    def _fitted(self, picture: Image) -> Image:
        height, width = picture.shape[:2]
        room = (self._root.winfo_screenwidth(), self._root.winfo_screenheight())
        factor = min(1.0, SHARE * room[0] / width, SHARE * room[1] / height)
        if factor == 1.0:
            return picture
        size = (max(1, round(width * factor)), max(1, round(height * factor)))
        return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8)


@contextmanager
def open_window() -> Iterator[DisplayWindow]:
    """Open a window for the duration of a run.

    Raises:
        InputError: there is no display, or Python was built without its toolkit.
    """
    try:
        import tkinter
    except ImportError:
        raise InputError(
            "--show: this Python has no tkinter; install it (Debian: python3-tk), or use --rerun"
        ) from None
    try:
        shown = DisplayWindow(tkinter)
    except tkinter.TclError as error:
        raise InputError(
            f"--show: there is no display ({error}); leave it out, or use --rerun FILE"
        ) from None
    try:
        yield shown
    finally:
        shown.close()
