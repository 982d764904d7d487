"""Whether the service is well. `PROBES`: how each `kind` of the configuration is built; `Monitor` asks them.

Knows nothing of locks, roles and what is done about a sick service.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from config.models.health import (
    CommandProbeSettings,
    HttpProbeSettings,
    ProbeSettings,
    ProcessProbeSettings,
    ResourceProbeSettings,
    SearchSettings,
    SystemdProbeSettings,
    TcpProbeSettings,
)
from failover.ports.service import Probe
from failover.support.launcher import Launcher
from failover.support.systemd import connect
from healthcheck.command import CommandProbe
from healthcheck.http import HttpProbe
from healthcheck.monitor import Monitor
from healthcheck.process import ProcessProbe
from healthcheck.search import PidfileSearch, Search, by_command_line, by_port, by_program
from healthcheck.tcp import TcpProbe
from healthcheck.timing import Timing

if TYPE_CHECKING:
    from failover.support.systemd_bus import SystemdBus

__all__ = ["PROBES", "Monitor", "ProbeContext", "Timing"]


@dataclass(frozen=True, slots=True)
class ProbeContext:
    """What a probe may need besides its settings. `systemd`: gives the bus, where a unit is watched."""

    launcher: Launcher
    service: str
    node: str
    systemd: Callable[[], SystemdBus] = connect


def _timing(settings: ProbeSettings) -> Timing:
    return Timing(settings.every, settings.timeout, settings.rise, settings.fall, settings.critical, settings.grace)


def _tcp(settings: TcpProbeSettings, _context: ProbeContext) -> Probe:
    return TcpProbe(settings.host, settings.port, _timing(settings))


def _http(settings: HttpProbeSettings, _context: ProbeContext) -> Probe:
    return HttpProbe(settings.url, settings.status, _timing(settings))


def _command(settings: CommandProbeSettings, context: ProbeContext) -> Probe:
    return CommandProbe(settings.run, context.launcher, context.service, context.node, _timing(settings))


def _process(settings: ProcessProbeSettings, _context: ProbeContext) -> Probe:
    return ProcessProbe(_search(settings), _timing(settings))


def _systemd(settings: SystemdProbeSettings, context: ProbeContext) -> Probe:
    from healthcheck.systemd import SystemdProbe

    return SystemdProbe(context.systemd(), settings.unit, _timing(settings))


def _resource(settings: ResourceProbeSettings, _context: ProbeContext) -> Probe:
    from healthcheck.resource import ResourceProbe
    from healthcheck.usage import Limits

    disk = (str(settings.disk.path), settings.disk.free) if settings.disk is not None else None
    limits = Limits(settings.memory, settings.open_files, settings.cpu, disk, settings.load)
    return ResourceProbe(_search(settings) if limits.of_tree else None, limits, _timing(settings))


def _search(settings: SearchSettings) -> Search:
    if settings.pidfile is not None:
        return PidfileSearch(Path(settings.pidfile))
    if settings.exe is not None:
        return by_program(Path(settings.exe))
    if settings.cmdline is not None:
        return by_command_line(settings.cmdline)
    if settings.port is not None:
        return by_port(settings.port)
    raise ValueError("a process is found by one of pidfile, exe, cmdline, port")


PROBES: dict[str, Callable[[Any, ProbeContext], Probe]] = {
    "tcp": _tcp,
    "http": _http,
    "command": _command,
    "process": _process,
    "resource": _resource,
    "systemd": _systemd,
}
