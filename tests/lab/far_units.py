"""The far side of the fence method ssh on a lab host: a service, a controller that holds its lock, and a bystander.

Knows what a peer asks for over ssh, as the forced command gets it. Judges nothing.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager

from tests.lab.host import Host
from tests.lab.pair import BIN
from tests.servers.wait import eventually

NONCE = "0123456789abcdef" * 2
SERVICE, CONTROLLER = "orders", "failoverd@orders.service"
# Restarted always, in a session of its own, and deaf to SIGTERM: nothing but SIGKILL to the whole group ends it.
_SCRIPT = "trap '' TERM; setsid sleep 900 & exec sleep 901"
UNITS = {
    "orders.service": f'ExecStart=/bin/sh -c "{_SCRIPT}"\nRestart=always\nRestartSec=50ms',
    CONTROLLER: "ExecStart=/run/controller\nRestart=always\nRestartSec=50ms\nKillMode=process",
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


@contextmanager
def units_on(host: Host) -> Iterator[Host]:
    """Those units, up; gone afterwards."""
    host.write("/run/controller", _CONTROLLER, 0o755)
    for name, lines in UNITS.items():
        host.write(f"/run/systemd/system/{name}", f"[Unit]\nStartLimitIntervalSec=0\n[Service]\n{lines}\n")
    host.must("systemctl", "daemon-reload")
    host.must("systemctl", "start", *UNITS)
    try:
        eventually(lambda: host.run("pgrep", "-f", "sleep 903").returncode == 0, 10, "the controller is up")
        yield host
    finally:
        host.run("systemctl", "stop", "--no-block", *UNITS)  # first, or Restart= has one up again that is deaf to it
        host.run("systemctl", "kill", "--signal=KILL", *UNITS)
        host.run("systemctl", "stop", *UNITS)
        left = (f"/run/systemd/system/{name}{more}" for name in UNITS for more in ("", ".d"))
        host.must("rm", "-rf", "/run/failoverd/orders", "/run/failoverd-fence", *left)
        host.must("systemctl", "daemon-reload")


def ask(
    host: Host,
    verb: str,
    unit: str = "orders.service",
    service: str = SERVICE,
    controller: str = CONTROLLER,
    epoch: int = 42,
    options: tuple[str, ...] = ("--service", SERVICE, "--unit", "orders.service", "--unit", "absent.service"),
    deadline_s: int = 10,
) -> tuple[str, dict[str, object]]:
    """What a peer asks over ssh, as the forced command gets it; the answer's word and facts."""
    machine = host.must("cat", "/etc/machine-id").strip()
    boot = host.must("cat", "/proc/sys/kernel/random/boot_id").strip()
    words = (
        f"failoverctl fence-local {verb} service={service} unit={unit} controller={controller} ports=6399 "
        f"nonce={NONCE} machine={machine} boot={boot} epoch={epoch} deadline={deadline_s}"
    )
    asked = ("env", f"SSH_ORIGINAL_COMMAND={words}", f"{BIN}/failoverctl", "fence-local", "--from-ssh", *options)
    done = host.run(*asked)
    word, nonce, facts = done.stdout.strip().split(" ", 2)
    assert nonce == NONCE, done.stdout + done.stderr
    return word, json.loads(facts)


def sleepers(host: Host) -> list[str]:
    return [
        number for number in ("900", "901", "902", "903", "904") if host.run("pgrep", "-f", f"sleep {number}").stdout
    ]
