"""Who this host is: machine-id and boot-id, as the kernel and systemd keep them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from failover.core.values import Identity, Node

MACHINE_ID = (Path("/etc/machine-id"), Path("/var/lib/dbus/machine-id"))
ONE_HOST = "one-host"
BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


class IdentityError(Exception):
    """This host cannot be told from others; the text says what to do."""


def read_machine_id() -> str:
    """The host's own id. Raises IdentityError: without one, a cloned host could pass for this one."""
    for path in MACHINE_ID:
        try:
            text = path.read_text("ascii", "replace").strip()
        except OSError:
            continue
        if text and text != "uninitialized":
            return text
    raise IdentityError("this host has no /etc/machine-id; make one with: systemd-machine-id-setup")


def read_machine_id_on_one_host() -> str:
    """The same for a store of one host only: its names tell nodes apart, no clone shares its files (containers)."""
    try:
        return read_machine_id()
    except IdentityError:
        return ONE_HOST


def identify(name: str, address: str, facts: Mapping[str, str], machine_id: str = "") -> Identity:
    """This controller's identity. Raises IdentityError."""
    return Identity(
        node=Node(name, machine_id or read_machine_id()),
        boot_id=BOOT_ID.read_text("ascii").strip(),
        address=address,
        facts=dict(facts),
    )
