"""S3 servers on loopback for tests: OpenStack Swift where Debian's packages are, else moto's.

Swift is an object store that runs in production, and keeps objects on the disk: it can be stopped
and started. moto's server keeps them in memory. Both answer in Amazon's protocol.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

ACCESS = "test:tester"
SECRET = "testing"
SWIFT = ("swift-proxy-server", "swift-account-server", "swift-container-server")
_BACKEND = """[DEFAULT]
bind_ip = 127.0.0.1
bind_port = {port}
workers = 0
user = {user}
swift_dir = {folder}
devices = {folder}/devices
mount_check = false
[pipeline:main]
pipeline = {kind}-server
[app:{kind}-server]
use = egg:swift#{kind}
"""
_PROXY = """[DEFAULT]
bind_ip = 127.0.0.1
bind_port = {port}
workers = 0
user = {user}
swift_dir = {folder}
[pipeline:main]
pipeline = head catch_errors gatekeeper cache listing_formats s3api tempauth copy slo dlo {more}
[app:proxy-server]
use = egg:swift#proxy
account_autocreate = true
[filter:catch_errors]
use = egg:swift#catch_errors
[filter:gatekeeper]
use = egg:swift#gatekeeper
[filter:head]
paste.filter_factory = swift_head:filter_factory
[filter:cache]
use = egg:swift#memcache
memcache_servers = 127.0.0.1:1
[filter:listing_formats]
use = egg:swift#listing_formats
[filter:s3api]
use = egg:swift#s3api
s3_acl = false
[filter:tempauth]
use = egg:swift#tempauth
user_test_tester = testing .admin
user_other_nobody = secret
[filter:versioned_writes]
use = egg:swift#versioned_writes
allow_object_versioning = true
[filter:symlink]
use = egg:swift#symlink
[filter:copy]
use = egg:swift#copy
[filter:slo]
use = egg:swift#slo
[filter:dlo]
use = egg:swift#dlo
"""


def free_port() -> int:
    """A port of loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def has_swift() -> bool:
    """Are Swift's servers installed? Debian: swift-proxy, -account, -container and -object."""
    return all(map(shutil.which, (*SWIFT, "swift-object-server", "swift-ring-builder")))


class SwiftServer:
    """Swift's four servers on one disk, with one replica."""

    name = "OpenStack Swift"

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self._children: list[subprocess.Popen[bytes]] = []
        (folder / "devices" / "d1").mkdir(parents=True)
        user = "root" if os.getuid() == 0 else os.environ.get("USER", "nobody")
        for kind in ("account", "container", "object"):
            port = free_port()
            self._ring(kind, port)
            text = _BACKEND.format(port=port, user=user, folder=folder, kind=kind)
            (folder / f"{kind}.conf").write_text(text)
        more = "versioned_writes symlink proxy-server"
        proxy = _PROXY.format(port=self.port, user=user, folder=folder, more=more)
        (folder / "proxy.conf").write_text(proxy)

    def _ring(self, kind: str, port: int) -> None:
        builder = str(self.folder / f"{kind}.builder")
        device = f"r1z1-127.0.0.1:{port}/d1"
        for command in (["create", "4", "1", "1"], ["add", device, "1"], ["rebalance"]):
            subprocess.run(
                ["swift-ring-builder", builder, *command], check=True, capture_output=True
            )

    def start(self) -> None:
        """Start the servers, and wait until the proxy answers."""
        for kind in ("account", "container", "object", "proxy"):
            command = [f"swift-{kind}-server", str(self.folder / f"{kind}.conf"), "--verbose"]
            log = (self.folder / f"{kind}.log").open("ab")
            self._children.append(
                subprocess.Popen(
                    command,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                    env={**os.environ, "PYTHONPATH": str(Path(__file__).parent)},
                )
            )
        wait_for_port(self.port, self._children[-1])

    def stop(self) -> None:
        """Kill the servers. What they acknowledged is on the disk."""
        for child in self._children:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)
            child.wait()
        self._children.clear()


class MotoServer:
    """moto's server, in a process of its own."""

    name = "moto"

    def __init__(self) -> None:
        self.port = free_port()
        self._child: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the server, empty."""
        command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(self.port)]
        self._child = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
        )
        wait_for_port(self.port, self._child)

    def stop(self) -> None:
        """End the server, and with it what it holds."""
        if self._child is not None:
            self._child.kill()
            self._child.wait()


def wait_for_port(port: int, child: subprocess.Popen[bytes]) -> None:
    """Wait until a child listens there."""
    while True:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        assert child.poll() is None, f"{child.args!r} ended with {child.returncode}"
        time.sleep(0.1)


@contextlib.contextmanager
def s3_environment(port: int) -> Iterator[dict[str, str]]:
    """The environment with which s3fs, and its workers, talk to the server."""
    values = {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
        "AWS_ACCESS_KEY_ID": ACCESS,
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield values
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
