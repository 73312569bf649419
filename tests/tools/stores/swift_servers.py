"""OpenStack Swift, which answers in Amazon's protocol, where Debian's packages are installed.

It is an object store that runs in production, and keeps objects on the disk.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
from pathlib import Path

from tests.tools.stores.servers import free_port, wait_for_port

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
            environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent)}
            with (self.folder / f"{kind}.log").open("ab") as log:
                self._children.append(
                    subprocess.Popen(
                        command, stdout=log, stderr=log, start_new_session=True, env=environment
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
