"""Opens what shows frames during a run: rerun's viewer, a window, or both. No torch."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

from mapt.app.outputs.output import Labelled
from mapt.labels.class_sets import ClassSet

Show = Callable[[str, Labelled], None]


@contextmanager
def viewers(rerun: str | None, window: bool, labels: ClassSet) -> Iterator[Show]:
    """Yield what shows a frame, given its sequence's name, wherever it was asked for.

    Args:
        rerun: see `mapt.app.rerun_view`; None: not there.
        window: in a window.
        labels: names and colours of the classes.

    Raises:
        InputError: rerun is not installed, its viewer cannot be opened, or there is no display.
    """
    with ExitStack() as stack:
        shown = list[Show]()
        if rerun:
            from mapt.app.rerun_view import rerun_view

            view = stack.enter_context(rerun_view(rerun, labels))
            shown.append(lambda name, it: view.show(name, it.index, it.frame, it.labels))
        if window:
            from mapt.app.window import open_window

            opened = stack.enter_context(open_window())
            shown.append(lambda name, it: opened.show(name, it.picture) if opened.open else None)

        def show(name: str, labelled: Labelled) -> None:
            for viewer in shown:
                viewer(name, labelled)

        yield show
