"""A filter for Swift's proxy: an answer to HEAD states its length.

Without it, eventlet ends such an answer as if it had a body, and the bytes of that end are taken
for the beginning of the next answer.
"""

from collections.abc import Callable, Iterable
from typing import Any

Start = Callable[..., Any]
App = Callable[[dict[str, Any], Start], Iterable[bytes]]


def filter_factory(_: object, **__: str) -> Callable[[App], App]:
    """What Swift's configuration names."""

    def wrap(app: App) -> App:
        def call(environ: dict[str, Any], start: Start) -> Iterable[bytes]:
            def begin(status: str, headers: list[tuple[str, str]], *rest: Any) -> Any:
                stated = any(name.lower() == "content-length" for name, _ in headers)
                if environ["REQUEST_METHOD"] == "HEAD" and not stated:
                    headers = [*headers, ("Content-Length", "0")]
                return start(status, headers, *rest)

            return app(environ, begin)

        return call

    return wrap
