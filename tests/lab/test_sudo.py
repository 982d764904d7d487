"""sudo, with the sudoers lines that are shipped: for hooks of a controller without root, and for the peers' ssh key."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from typing import Any

import pytest

from tests.lab.host import CHECKOUT, Host
from tests.lab.network import Network
from tests.lab.pair import LabZooKeeper
from tests.lab.strict import BINARIES, USER, StrictPair

SHIPPED = (CHECKOUT / "systemd" / "sudoers.d" / "failoverd").read_text("utf-8")
SUDOERS = "/etc/sudoers.d/failoverd"
WITH_SUDO = "/etc/systemd/system/failoverd@.service.d/with-sudo.conf"
HELPER = f"{BINARIES}/failoverctl fence-local --from-ssh --config /etc/failoverd/a.yaml"
KEY, KNOWN = "/etc/failoverd/id_fence", "/etc/failoverd/known_hosts"
METHODS: dict[str, Any] = {
    "stop": {
        "kind": "ssh", "user": "failover", "key": KEY, "known_hosts": KNOWN,
        "unit": "cache-a.service", "controller": "failoverd@a.service", "ports": [6391],
        "connect_timeout": "2s", "timeout": "15s",
    },
    "power": {"kind": "command", "run": ["/etc/failoverd/fence", "{node.name}"], "timeout": "5s"},
}  # fmt: skip
FENCING = {"methods": METHODS, "levels": [["stop"], ["power"]]}


def steered_by_sudo(name: str) -> dict[str, Any]:
    unit = f"cache-{name}.service"

    def sudo(verb: str) -> list[str]:
        return ["sudo", "-n", "/usr/bin/systemctl", verb, unit]

    return {
        "control": {
            "kind": "command",
            "standby": "stopped",
            "promote": {"run": sudo("start"), "timeout": "10s"},
            "demote": {"run": sudo("stop"), "timeout": "5s"},
            "role": {"run": f"systemctl is-active --quiet {unit} && echo active || echo standby", "every": "1s"},
        }
    }


@pytest.fixture(scope="module")
def able(host: Host) -> Host:
    for program, package in (("/usr/sbin/visudo", "sudo"), ("/usr/sbin/sshd", "openssh-server")):
        if host.run("test", "-x", program).returncode:
            pytest.skip(f"no {program} (Debian: {package})")
    return host


def sudoers(host: Host, text: str) -> None:
    host.write(SUDOERS, text, 0o440)
    host.must("visudo", "-c")


@pytest.mark.long
def test_hooks_call_sudo_where_the_drop_in_lets_them_and_say_why_they_cannot_where_it_does_not(
    able: Host, lab_zookeeper: LabZooKeeper
) -> None:
    sudoers(able, SHIPPED.replace("orders-db.service", "cache-a.service"))
    own = {name: steered_by_sudo(name) for name in "ab"}
    pair = StrictPair(able, lab_zookeeper, ("none.service",), root=f"/t-{secrets.token_hex(4)}", own=own)
    a = pair["a"]
    try:
        pair.ctl(a, "format")
        able.must("systemctl", "start", "--no-block", a.controller)
        pair.eventually(lambda: "to disable the flag" in a.log(), 20, "it cannot, and says why")
        able.write(WITH_SUDO, (CHECKOUT / "systemd" / "examples" / "with-sudo.conf").read_text("utf-8"))
        able.must("systemctl", "daemon-reload")
        able.must("systemctl", "restart", "--no-block", a.controller)
        pair.comes("a", "active", 30)
        pid = a.main_pid(a.controller)
        assert able.must("stat", "-c", "%U", f"/proc/{pid}").strip() == USER
        assert able.show(a.unit, "ActiveState") == ["active"]
        able.must("systemctl", "stop", a.controller)
        assert able.show(a.unit, "ActiveState") == ["inactive"], "handed over, by sudo again"
    finally:
        pair.stop()
        able.run("rm", "-f", WITH_SUDO)


@pytest.fixture(scope="module")
def second(network: Network) -> Iterator[Host]:
    with Host(network, 2) as booted:
        yield booted


def make_fence_key(host: Host, known: str) -> None:
    host.must("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "fence", "-f", KEY)
    host.must("chown", USER, KEY)
    host.write(KNOWN, known)


def let_in(host: Host, peer: Host, public: str) -> None:
    """As docs/how-to/fence-by-ssh.md says it: an account with a shell, one key, one command, one line of sudoers."""
    sudoers(host, SHIPPED.replace("orders-db.yaml", "a.yaml"))
    home = "/var/lib/failover"
    host.must("useradd", "--system", "--create-home", "--home-dir", home, "--shell", "/bin/sh", "failover")
    line = f'restrict,from="{peer.address}",command="sudo -n {HELPER}" {public}\n'
    host.must("install", "-d", "-o", "failover", "-m", "700", f"{home}/.ssh")
    host.write(f"{home}/.ssh/authorized_keys", line, 0o600)
    host.must("chown", "failover", f"{home}/.ssh/authorized_keys")
    host.must("systemctl", "start", "ssh.service")


@pytest.mark.long
def test_a_controller_without_root_fences_by_ssh_into_an_account_without_root(
    able: Host, second: Host, lab_zookeeper: LabZooKeeper
) -> None:
    nodes = {"a": {"address": able.address}, "b": {"address": second.address}}
    own = {name: {"fencing": FENCING, "nodes": nodes} for name in "ab"}
    root = f"/t-{secrets.token_hex(4)}"
    units = ("cache-a.service", "cache-b.service")
    here, there = (StrictPair(host, lab_zookeeper, units, root=root, own=own) for host in (able, second))
    public = able.must("cat", "/etc/ssh/ssh_host_ed25519_key.pub")
    for host in (able, second):
        make_fence_key(host, f"{able.address},{second.address} {public}")
    let_in(able, second, second.must("cat", f"{KEY}.pub"))
    a, b = here["a"], there["b"]
    override = "/run/systemd/system/failoverd@.service.d/failed.conf"
    try:
        here.ctl(a, "format")
        able.must("systemctl", "start", a.controller)
        here.comes("a", "active")
        second.must("systemctl", "start", b.controller)
        there.comes("b", "standby")
        able.write(override, "[Service]\nRestart=no\n")
        able.must("systemctl", "mask", "--runtime", "failoverd-last-will@a.service")
        able.must("systemctl", "daemon-reload")
        able.must("systemctl", "kill", "--signal=KILL", "--kill-whom=main", a.controller)
        there.comes("b", "active", 60)
        assert able.show(a.unit, "ActiveState")[0] in ("inactive", "failed"), "its service was ended there"
        assert "controller and service are dead there" in b.log()
        assert not there.fenced(), "the next level was not needed"
        assert able.must("stat", "-c", "%U", "/run/failoverd/a/cache/floor").strip() == USER
    finally:
        for pair in (here, there):
            pair.stop()
        able.run("rm", "-f", override)
        able.run("systemctl", "unmask", "--runtime", "failoverd-last-will@a.service")


@pytest.mark.long
def test_the_account_of_the_peers_may_do_nothing_else(able: Host) -> None:
    if able.run("id", "failover").returncode:
        pytest.skip("the test before has not made it")

    def may(*words: str) -> bool:
        return able.run("runuser", "-u", "failover", "--", "sudo", "-n", *words).returncode == 0

    def told(*words: str) -> str:
        done = able.run("runuser", "-u", "failover", "--", "sudo", "-n", *words)
        return done.stdout + done.stderr

    assert "this is no request" in told(*HELPER.split()), "this it may"
    assert not may("id")
    assert "password is required" in told(*HELPER.split(), "--unit", "ssh.service")
    assert not may("/usr/bin/systemctl", "stop", "cache-a.service")
