"""A pair whose controllers have no root: set up by `failoverctl install --strict`, their units steered by polkit."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from tests.lab.host import CHECKOUT, Host
from tests.lab.pair import BIN, Pair
from tests.servers.zookeeper import ZooKeeper

USER = "failoverd"
BINARIES = "/usr/local/bin"
FENCED = "/run/failoverd/fenced"
_HOMES = ("/root/", "/home/")
_PRIVATE = ("/tmp/", "/var/tmp/")
_FENCE = f"#!/bin/sh\necho fenced $1 >> {FENCED}\n"


def let_others_use_this_python(host: Host) -> None:
    """These tests' interpreter and checkout may lie where strict.conf hides all; those of an operator do not."""
    for program in ("failoverd", "failoverctl"):
        host.must("ln", "-sfn", str(BIN / program), f"{BINARIES}/{program}")
    needed = (Path(sys.base_prefix), CHECKOUT)
    in_homes = [path for path in needed if str(path).startswith(_HOMES)]
    for path in in_homes:
        host.must("chmod", "711", *(str(folder) for folder in list(path.parents)[:-1]))
    hidden = " ".join(str(path) for path in needed if str(path).startswith((*_HOMES, *_PRIVATE)))
    if not hidden:
        return
    lines = f"[Service]\n{'ProtectHome=tmpfs' if in_homes else ''}\nBindReadOnlyPaths={hidden}\n"
    for unit in ("failoverd@", "failoverd-last-will@"):
        host.write(f"/etc/systemd/system/{unit}.service.d/zz-lab.conf", lines)


class StrictPair(Pair):
    """`allowed`: the units that the rule of polkit names."""

    def __init__(self, host: Host, zookeeper: ZooKeeper, allowed: tuple[str, ...], **options: Any) -> None:
        super().__init__(host, zookeeper, **options)
        let_others_use_this_python(host)
        host.write("/etc/failoverd/fence", _FENCE, 0o755)
        self.install(allowed)
        host.must("chown", f"{USER}:{USER}", "/etc/failoverd/tokens", "/etc/failoverd/peer.secret")

    def install(self, allowed: tuple[str, ...]) -> str:
        units = [word for unit in allowed for word in ("--unit", unit)]
        command = (f"{BINARIES}/failoverctl", "install", "--strict", "--service", "cache", "--bin", BINARIES, *units)
        told = self.host.must(*command)
        self.host.must("rm", "-f", "/etc/failoverd/cache.yaml")  # an example; these nodes have files of their own
        return told

    def fenced(self) -> bool:
        return self.host.run("test", "-e", FENCED).returncode == 0

    def begin(self) -> Any:
        self.host.must("rm", "-f", FENCED)
        return self.settled()
