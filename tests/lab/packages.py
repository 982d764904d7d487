"""Debian packages of this checkout, each version built once for all tests that want it."""

from __future__ import annotations

import shutil
import subprocess
from functools import cache
from pathlib import Path

from tests.lab.host import CHECKOUT, Host
from tests.servers.guardian import scratch_folder

FIRST, SECOND = "0.0.1", "0.0.2"
_BUILD_S = 600.0


def missing() -> list[str]:
    """What building needs and this machine has not, in words."""
    gone = [] if shutil.which("dpkg-deb") else ["`dpkg-deb`: not a Debian machine"]
    return gone if Path("/usr/bin/python3").exists() else [*gone, "Debian's own python3"]


@cache
def built(version: str) -> Path:
    """The package; its file goes when the tests are over."""
    command = [str(CHECKOUT / "scripts" / "build-deb"), version, str(scratch_folder("deb"))]
    done = subprocess.run(command, capture_output=True, text=True, timeout=_BUILD_S, check=False)
    assert done.returncode == 0, done.stderr
    return Path(done.stdout.split()[-1])


def put_packages(host: Host) -> dict[str, str]:
    """Where both versions are on the host, by version."""
    found = {version: f"/var/tmp/{built(version).name}" for version in (FIRST, SECOND)}
    for version, path in found.items():
        host.put(built(version), path)
    return found


def depends(package: Path) -> str:
    """Its `Depends:` line."""
    command = ["dpkg-deb", "--field", str(package), "Depends"]
    return subprocess.run(command, capture_output=True, text=True, timeout=30, check=True).stdout
