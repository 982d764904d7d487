"""What the peers may have ended on this host: named here, on this host, and nowhere else.

By the options of the key's line or, for what they leave out, by the controller's own configuration file. Decides only;
ends nothing.
"""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from failover.cli.fence_local.outcome import Refused
from failover.support.fence_request import FenceRequest

STATE_DIR = "/run/failoverd"


@dataclass(frozen=True, slots=True)
class Allowed:
    """The service, its units (without systemd: how its processes are found) and its controller's state folder."""

    service: str
    units: frozenset[str]
    controllers: frozenset[str]
    folder: Path
    systemd: bool = True
    pidfile: Path | None = None
    port_owner: int | None = None

    def refuse_others(self, asked: FenceRequest) -> None:
        """The peer must name exactly what is allowed here. Raises Refused."""
        if asked.service != self.service:
            raise Refused(f"this key is for the service {self.service}, not {asked.service}")
        for word, name, allowed in (
            ("unit", asked.unit, self.units),
            ("controller", asked.controller, self.controllers),
        ):
            if name not in allowed:
                listed = ", ".join(sorted(allowed)) or "none"
                raise Refused(f"{word} {name} is not allowed here; allowed: {listed} (see the key's line, or the file)")


def allowed_by(given: Namespace) -> Allowed:
    """Gather options and file. Raises Refused."""
    settings: Mapping[str, Any] = {}
    if not (given.service and given.unit):
        settings = _read(given.config)
    service = given.service or str(settings.get("service") or "")
    if not service:
        raise Refused("no service is named: give fence-local --config FILE, or --service and --unit")
    state_dir = given.state_dir or settings.get("state_dir") or STATE_DIR
    if not given.no_systemd and (given.pidfile or given.port_owner):
        raise Refused("--pidfile and --port-owner are for --no-systemd: a unit is ended by its control group")
    if given.no_systemd and not (given.pidfile or given.port_owner):
        raise Refused("--no-systemd needs --pidfile or --port-owner: how is the service found?")
    return Allowed(
        service=service,
        units=frozenset(given.unit or _units(settings)),
        controllers=frozenset(given.controller or _controllers(settings) or [f"failoverd@{service}.service"]),
        folder=Path(str(state_dir)) / service,
        systemd=not given.no_systemd,
        pidfile=given.pidfile,
        port_owner=given.port_owner,
    )


def _read(path: Path | None) -> Mapping[str, Any]:
    from failover.cli.failures import CommandFailed
    from failover.cli.whereabouts import config_file, read

    try:
        return read(config_file(path))
    except CommandFailed as failed:
        raise Refused(failed.line()) from None


def _methods(settings: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    fencing = settings.get("fencing")
    methods = fencing.get("methods") if isinstance(fencing, Mapping) else None
    found = methods.values() if isinstance(methods, Mapping) else ()
    return [method for method in found if isinstance(method, Mapping) and method.get("kind") == "ssh"]


def _units(settings: Mapping[str, Any]) -> list[str]:
    """The file says it where it names the service's unit: this host's own, under `control`, or to fence by ssh."""
    control = settings.get("control")
    named = [control.get("unit")] if isinstance(control, Mapping) and control.get("kind") == "systemd" else []
    return [str(unit) for unit in (*named, *(method.get("unit") for method in _methods(settings))) if unit]


def _controllers(settings: Mapping[str, Any]) -> list[str]:
    return [str(method["controller"]) for method in _methods(settings) if method.get("controller")]
