"""The Debian package on a host of its own: installed, started, upgraded under an active, removed."""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab.host import CHECKOUT, Host
from tests.lab.pair import LabZooKeeper, Pair
from tests.servers.guardian import scratch_folder

FIRST, SECOND = "0.0.1", "0.0.2"
BUILD_S = 300.0

pytestmark = [
    pytest.mark.skipif("WHOLE_LAB" not in os.environ, reason="builds two packages, which takes a minute: make lab"),
    pytest.mark.skipif(
        not shutil.which("dpkg-deb") or not Path("/usr/bin/python3").exists(),
        reason="no dpkg-deb, or no Debian python3: not a Debian machine",
    ),
]


def build(version: str, folder: Path) -> Path:
    command = [str(CHECKOUT / "scripts" / "build-deb"), version, str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=BUILD_S, check=False)
    assert done.returncode == 0, done.stderr
    return Path(done.stdout.split()[-1])


@pytest.fixture(scope="module")
def packages(host: Host) -> Iterator[dict[str, str]]:
    """On the host, by version."""
    folder = scratch_folder("deb")
    try:
        found = {}
        for version in (FIRST, SECOND):
            path = build(version, folder)
            found[version] = f"/var/tmp/{path.name}"
            host.put(path, found[version])
        yield found
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def pair(host: Host, lab_zookeeper: LabZooKeeper, packages: dict[str, str]) -> Iterator[Pair]:
    host.must("dpkg", "--install", packages[FIRST], timeout_s=120)
    made = Pair(host, lab_zookeeper, packaged=True, root=f"/t-{secrets.token_hex(4)}")
    try:
        made.start()
        yield made
    finally:
        made.stop()


def version_of(pair: Pair, name: str) -> str:
    return str(pair[name].status().get("version"))


def test_an_upgrade_under_the_active_moves_nothing(pair: Pair, packages: dict[str, str]) -> None:
    active, standby = pair.begin()
    before = active.status()["epoch"], active.main_pid(active.unit)
    pair.host.must("dpkg", "--install", packages[SECOND], timeout_s=120)
    for node in (active, standby):
        pair.eventually(lambda node=node: version_of(pair, node.name) == SECOND, 30, f"{node.name} is the new one")  # type: ignore[misc]
    assert (active.status()["epoch"], active.main_pid(active.unit)) == before
    assert (active.role(), standby.role()) == ("active", "standby")
    assert "adopted: the controller was restarted" in str(active.status()["why"])
    assert not pair.fenced()
    assert pair.host.must("ls", "/usr/lib/failoverd").split() == [SECOND, "current"], "what nobody runs is gone"


def test_what_comes_with_the_programs_is_there(pair: Pair) -> None:
    told = pair.host.must("failoverctl", "install", "--dry-run", "--json")
    assert '"ok": true' in told
    for path in ("man1/failoverctl.1.gz", "man8/failoverd.8.gz"):
        pair.host.must("test", "-s", f"/usr/share/man/{path}")
    completed = "source /usr/share/bash-completion/completions/failoverctl; COMP_WORDS=(failoverctl sw) COMP_CWORD=1; "
    assert "switchover" in pair.host.must("bash", "-c", f"{completed} _failoverctl; echo ${{COMPREPLY[@]}}")


def test_a_controller_gives_up_root_without_a_failover(pair: Pair) -> None:
    active, standby = pair.begin()
    host, before = pair.host, (active.status()["epoch"], active.main_pid(active.unit))
    words = ("install", "--strict", "--service", "cache", "--unit", active.unit, "--unit", standby.unit)
    told = host.must("failoverctl", *words)
    assert "as it is: failoverd@.service: the package's own" in told
    assert "as it is: sysusers.d/failoverd.conf: the package's own" in told
    host.must("rm", "/etc/failoverd/cache.yaml")
    host.must("chown", "failoverd:failoverd", "/etc/failoverd/tokens", "/etc/failoverd/peer.secret")
    for node in (standby, active):
        host.must("systemctl", "restart", node.controller)
        pid = node.main_pid(node.controller)
        assert host.must("stat", "-c", "%U", f"/proc/{pid}").strip() == "failoverd"
    pair.eventually(lambda: "adopted" in str(active.status().get("why")), 15, "it carries on")
    assert (active.status()["epoch"], active.main_pid(active.unit)) == before
    assert standby.role() == "standby"
    assert not pair.fenced()
    examples = "/usr/share/doc/failoverd/examples/systemd"
    host.must("visudo", "-csf", f"{examples}/sudoers.d/failoverd")
    host.must("test", "-s", f"{examples}/polkit/50-failoverd.rules")


def test_a_removal_hands_over_and_leaves_configuration_and_service(pair: Pair) -> None:
    active, standby = pair.begin()
    pair.host.must("dpkg", "--remove", "failoverd", timeout_s=120)
    assert not any(
        pair.host.run("systemctl", "is-active", "--quiet", node.controller).returncode == 0
        for node in (active, standby)
    )
    assert not pair.fenced(), "each has handed over"
    pair.host.must("test", "-e", f"/etc/failoverd/{active.name}.yaml")
    assert pair.host.run("test", "-e", "/usr/lib/failoverd").returncode != 0
