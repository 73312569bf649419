"""Cameras of the tests: servers on the loopback that send video as cameras do."""

from __future__ import annotations

import base64
import io
import re
import socket
import socketserver
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from typing import Any

import av
import cv2
import numpy as np
from numpy.typing import NDArray

SIZE = (64, 96)  # height and width
BEGIN = 123_456_789  # RTP's times begin anywhere
FIRST_PART = b"\x10"  # VP8's header in RTP: here begins a frame
LAST = 0x80  # of an RTP packet that ends a frame


def picture(number: int) -> NDArray[np.uint8]:
    """A gray picture that is as bright as its number says."""
    return np.full((*SIZE, 3), 20 + 2 * (number % 100), np.uint8)


def number_of(image: NDArray[np.uint8]) -> int:
    """The number of a picture, which may have gone through a lossy codec."""
    return round((float(image.mean()) - 20) / 2)


def encode(
    milliseconds: list[int], form: str = "mpegts", codec: str = "mpeg4", first: int = 0
) -> bytes:
    """A video of pictures from number `first` at these times."""
    file = io.BytesIO()
    with av.open(file, "w", format=form) as container:
        stream: Any = container.add_stream(codec, rate=Fraction(10))
        stream.height, stream.width = SIZE
        stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
        stream.codec_context.time_base = Fraction(1, 1000)
        stream.codec_context.gop_size = 5
        for number, time in enumerate(milliseconds, first):
            frame = av.VideoFrame.from_ndarray(picture(number), format="rgb24")
            frame.pts = time
            frame.time_base = Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return file.getvalue()


def packets(milliseconds: list[int], first: int = 0) -> list[tuple[int, bytes]]:
    """A stream of VP8 as (time in ms, frame), from picture number `first`."""
    encoder: Any = av.CodecContext.create("libvpx", "w")
    encoder.height, encoder.width = SIZE
    encoder.pix_fmt = "yuv420p"
    encoder.time_base = Fraction(1, 1000)
    encoder.gop_size = 5
    encoder.options = {"deadline": "realtime", "lag-in-frames": "0"}
    made = []
    for number, time in enumerate(milliseconds, first):
        frame = av.VideoFrame.from_ndarray(picture(number), format="rgb24")
        frame.pts = time
        frame.time_base = Fraction(1, 1000)
        made += encoder.encode(frame)
    made += encoder.encode(None)
    return [(packet.pts, bytes(packet)) for packet in made]


def jpeg(number: int) -> bytes:
    """A picture as one frame of a web camera."""
    good, data = cv2.imencode(".jpg", picture(number))
    assert good
    return bytes(data)


class _Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True


@contextmanager
def serving(handler: type[socketserver.BaseRequestHandler], port: int = 0) -> Iterator[int]:
    """Run a server on the loopback, and give its port."""
    with _Server(("127.0.0.1", port), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()


def free_port() -> int:
    """A port that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def http_handler(
    answers: list[bytes], kind: str, hold: threading.Event | None = None
) -> type[socketserver.BaseRequestHandler]:
    """A server that gives each connection the next answer, and closes those after the last.

    Args:
        answers: bodies, without a length, as live streams are sent.
        kind: the content type.
        hold: after its body a connection stays open until this is set.
    """
    left = list(answers)

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            while self.rfile.readline().strip():
                pass
            if not left:
                return
            body = left.pop(0)
            try:
                head = f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nConnection: close\r\n\r\n"
                self.wfile.write(head.encode() + body)
                self.wfile.flush()
                if hold is not None:
                    hold.wait(30)
            except OSError:
                return  # the client has gone

    return Handler


def multipart(numbers: range) -> bytes:
    """Pictures as web cameras send them, multipart/x-mixed-replace with the boundary `frame`."""
    return b"".join(
        b"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n%s\r\n"
        % (len(data), data)
        for data in map(jpeg, numbers)
    )


Stream = list[tuple[int, bytes]]


def rtsp_handler(
    streams: list[Stream], password: str = ""
) -> type[socketserver.BaseRequestHandler]:
    """A camera's RTSP server that sends VP8 (RFC 7741) inside its TCP connection.

    Args:
        streams: each connection that plays gets the next and is closed; later ones get nothing.
        password: asked of the user `viewer`; empty: of nobody.
    """
    left = list(streams)

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            try:
                while request := self._request():
                    self._answer(*request)
            except (OSError, StopIteration):
                return  # the client has gone, or has got everything

        def _request(self) -> tuple[str, str, dict[str, str]] | None:
            line = self.rfile.readline().decode()
            if not line.strip():
                return None
            method, address, _ = line.split(" ", 2)
            headers = {}
            while (header := self.rfile.readline().decode().strip()) != "":
                key, _, value = header.partition(":")
                headers[key.lower()] = value.strip()
            return method, address, headers

        def _answer(self, method: str, address: str, headers: dict[str, str]) -> None:
            extra = ""
            body = ""
            wanted = base64.b64encode(f"viewer:{password}".encode()).decode()
            allowed = not password or headers.get("authorization") == f"Basic {wanted}"
            if method == "OPTIONS":
                extra = "Public: OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN\r\n"
            elif not allowed:
                self._send(
                    headers, "401 Unauthorized", 'WWW-Authenticate: Basic realm="camera"\r\n'
                )
                return
            elif method == "DESCRIBE":
                body = (
                    "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=camera\r\nt=0 0\r\n"
                    "m=video 0 RTP/AVP 96\r\na=rtpmap:96 VP8/90000\r\na=control:track0\r\n"
                )
                extra = f"Content-Base: {address}/\r\nContent-Type: application/sdp\r\n"
            elif method == "SETUP":
                channels = re.search(r"interleaved=\d+-\d+", headers["transport"])
                assert channels, "the client has to ask for TCP"
                extra = f"Transport: RTP/AVP/TCP;unicast;{channels[0]}\r\nSession: 7\r\n"
            elif method == "PLAY":
                extra = "Session: 7\r\n"
            self._send(headers, "200 OK", extra, body)
            if method == "PLAY":
                self._play(left.pop(0) if left else [])
                raise StopIteration

        def _send(self, headers: dict[str, str], status: str, extra: str, body: str = "") -> None:
            head = f"RTSP/1.0 {status}\r\nCSeq: {headers['cseq']}\r\n{extra}"
            self.wfile.write(f"{head}Content-Length: {len(body)}\r\n\r\n{body}".encode())
            self.wfile.flush()

        def _play(self, stream: Stream) -> None:
            for number, (time, data) in enumerate(stream):
                head = struct.pack(">BBHII", 0x80, LAST | 96, number, BEGIN + time * 90, 7)
                packet = head + FIRST_PART + data
                self.wfile.write(struct.pack(">BBH", 0x24, 0, len(packet)) + packet)
            self.wfile.flush()

    return Handler
