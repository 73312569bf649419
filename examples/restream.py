"""Reads a stream, draws what is tracked, and sends it on, for example to an RTSP server.

python examples/restream.py rtsp://camera/street rtsp://server/annotated [--bundle BUNDLE]
"""

import argparse
from fractions import Fraction
from pathlib import Path

import av

from mapt.runtime import PanopticTracker

parser = argparse.ArgumentParser()
parser.add_argument("source", help="a URL or a file")
parser.add_argument("target", help="rtsp://..., or a file such as out.mkv")
parser.add_argument("--bundle", type=Path, help="default: the network of the package")
given = parser.parse_args()

tracker = PanopticTracker.load(given.bundle)
MICROSECONDS = Fraction(1, 1_000_000)
rtsp = given.target.startswith("rtsp://")
with (
    av.open(given.source) as source,
    av.open(given.target, "w", format="rtsp" if rtsp else None) as target,
):
    seen = source.streams.video[0]
    stream = target.add_stream("libvpx", rate=seen.average_rate or 25)  # VP8: free, and RTSP has it
    stream.width = seen.width // 2 * 2
    stream.height = seen.height // 2 * 2
    stream.pix_fmt = "yuv420p"
    stream.options = {"deadline": "realtime", "cpu-used": "8"}
    stream.codec_context.time_base = MICROSECONDS
    for frame in source.decode(seen):
        image = frame.to_ndarray(format="rgb24")
        labelled = tracker.step(image, round(frame.time * 1e9))
        picture = labelled.plot(image)[: stream.height, : stream.width]
        drawn = av.VideoFrame.from_ndarray(picture.copy(), format="rgb24")
        drawn.pts = round(frame.time / MICROSECONDS)
        drawn.time_base = MICROSECONDS
        target.mux(stream.encode(drawn))
    target.mux(stream.encode(None))
