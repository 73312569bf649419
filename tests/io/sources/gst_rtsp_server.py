"""GStreamer's RTSP server with a moving test picture; the system's Python runs it.

It prints "ready" when it listens. Debian: gir1.2-gst-rtsp-server-1.0, python3-gi,
gstreamer1.0-plugins-base, -good and -bad.
"""

import sys

import gi  # type: ignore[import-not-found]

gi.require_version("Gst", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import (  # type: ignore[import-not-found]  # noqa: E402
    GLib,
    Gst,
    GstRtspServer,
)

Gst.init(None)
encoder = "openh264enc gop-size=10 ! h264parse ! rtph264pay name=pay0 config-interval=1"
if Gst.ElementFactory.find("openh264enc") is None:
    encoder = "jpegenc ! rtpjpegpay name=pay0"
factory = GstRtspServer.RTSPMediaFactory()
factory.set_launch(
    "( videotestsrc is-live=true pattern=ball ! video/x-raw,width=320,height=192,framerate=20/1"
    f" ! videoconvert ! {encoder} )"
)
factory.set_shared(True)
server = GstRtspServer.RTSPServer()
server.set_address("127.0.0.1")
server.set_service(sys.argv[1])
server.get_mount_points().add_factory("/street", factory)
if server.attach(None) == 0:
    sys.exit("the port is in use")
print("ready", flush=True)
GLib.MainLoop().run()
