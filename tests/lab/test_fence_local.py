"""The far side of the fence method ssh on a host with a real systemd: what it ends stays down, Restart= or not."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.lab.host import Host
from tests.lab.pair import BIN
from tests.servers.wait import eventually

NONCE = "0123456789abcdef" * 2
SERVICE = "orders"
# Restarted always, in a session of its own, and deaf to SIGTERM: nothing but SIGKILL to the whole group ends it.
_SCRIPT = "trap '' TERM; setsid sleep 900 & exec sleep 901"
_UNITS = {
    "orders.service": f'ExecStart=/bin/sh -c "{_SCRIPT}"\nRestart=always\nRestartSec=50ms',
    "failoverd@orders.service": "ExecStart=/run/controller\nRestart=always\nRestartSec=50ms\nKillMode=process",
    "other.service": "ExecStart=/bin/sleep 902",
}
# Holds the lock of its state folder, as a controller does, and has left a child behind that KillMode= would spare.
_CONTROLLER = """#!/bin/sh
mkdir -p -m 700 /run/failoverd/orders
exec 9<>/run/failoverd/orders/controller.lock
flock -n 9 || exit 1
echo $$ > /run/failoverd/orders/controller.lock
setsid sleep 903 9>&- &
exec sleep 904
"""


@pytest.fixture
def units(host: Host) -> Iterator[Host]:
    host.write("/run/controller", _CONTROLLER, 0o755)
    for name, lines in _UNITS.items():
        host.write(f"/run/systemd/system/{name}", f"[Service]\n{lines}\n")
    host.must("systemctl", "daemon-reload")
    host.must("systemctl", "start", *_UNITS)
    eventually(lambda: host.run("pgrep", "-f", "sleep 903").returncode == 0, 10, "the controller is up")
    yield host
    host.run("systemctl", "kill", "--signal=KILL", *_UNITS)
    host.run("systemctl", "stop", *_UNITS)
    host.must("rm", "-rf", "/run/failoverd/orders", *(f"/run/systemd/system/{name}" for name in _UNITS))
    host.must("systemctl", "daemon-reload")


def ask(host: Host, verb: str, unit: str = "orders.service", boot: str = "") -> tuple[str, dict[str, object]]:
    """What a peer asks over ssh, as the forced command gets it; the answer's word and facts."""
    machine = host.must("cat", "/etc/machine-id").strip()
    boot = boot or host.must("cat", "/proc/sys/kernel/random/boot_id").strip()
    words = (
        f"failoverctl fence-local {verb} service={SERVICE} unit={unit} controller=failoverd@orders.service ports=6399 "
        f"nonce={NONCE} machine={machine} boot={boot} epoch=42 deadline=10"
    )
    done = host.run(
        "env", f"SSH_ORIGINAL_COMMAND={words}", f"{BIN}/failoverctl", "fence-local", "--from-ssh",
        "--service", SERVICE, "--unit", "orders.service", "--unit", "absent.service",
    )  # fmt: skip
    word, nonce, facts = done.stdout.strip().split(" ", 2)
    assert nonce == NONCE, done.stdout + done.stderr
    return word, json.loads(facts)


def sleepers(host: Host) -> list[str]:
    return [
        number for number in ("900", "901", "902", "903", "904") if host.run("pgrep", "-f", f"sleep {number}").stdout
    ]


def test_units_that_are_always_restarted_are_ended_with_all_their_processes_and_stay_down(units: Host) -> None:
    host = units
    assert ask(host, "check")[0] == "FAILOVERD-COULD"
    assert sleepers(host) == ["900", "901", "902", "903", "904"]
    word, facts = ask(host, "fence")
    assert word == "FAILOVERD-FENCED", facts
    assert facts["by"] == "systemd"
    assert sleepers(host) == ["902"], "the unit that is nobody's business lives"
    assert host.must("cat", "/run/failoverd/orders/floor").strip() == "42"
    for unit in ("orders.service", "failoverd@orders.service"):
        assert host.show(unit, "ActiveState", "Job")[0] in ("inactive", "failed")
    host.must("systemctl", "start", "other.service")  # a turn of systemd's later, too
    assert sleepers(host) == ["902"]
    assert ask(host, "fence")[0] == "FAILOVERD-FENCED", "it may be asked twice"


def test_a_unit_that_is_not_allowed_or_not_there_is_refused_and_nothing_is_touched(units: Host) -> None:
    word, facts = ask(units, "fence", unit="other.service")
    assert (word, facts["certain"]) == ("FAILOVERD-NOT", True)
    assert "other.service is not allowed here" in str(facts["why"])
    word, facts = ask(units, "fence", unit="absent.service")
    assert "systemd does not know absent.service here" in str(facts["why"])
    assert sleepers(units) == ["900", "901", "902", "903", "904"]
