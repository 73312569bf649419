"""An object store that refuses everything, as Amazon and Google word it."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

AMAZON = b"<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>"
GOOGLE = {"error": {"code": 403, "message": "caller does not have storage.objects access"}}


class _Refusal(BaseHTTPRequestHandler):
    def _refuse(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        google = "/storage/v1/" in self.path
        body = json.dumps(GOOGLE).encode() if google else AMAZON
        self.send_response(403)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = _refuse

    def log_message(self, format: str, *args: object) -> None:
        """Keep quiet."""


@contextlib.contextmanager
def refusing_server() -> Iterator[int]:
    """Yield the port of loopback on which everything is refused."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Refusal) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()
