"""What `failoverctl install --strict` adds: a user of its own, drop-ins, and a rule of polkit for each service.

Knows neither the configuration nor which units a service has: those are given.
"""

from __future__ import annotations

import grp
import json
import pwd
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path

from failover.cli.installing import CONFIG_FOLDER, UNIT_FOLDER, UNITS, Step, file_step, on_this_host, shipped

USER = "failoverd"
_DROP_IN = "strict.conf"
_MADE_BY = {"sysusers": "systemd-sysusers", "tmpfiles": "systemd-tmpfiles --create"}
_RULES = Path("etc/polkit-1/rules.d")
_SHIPPED_UNITS = '["orders-db.service"]'


def strict_steps(service: str | None, units: Sequence[str], root: Path) -> list[Step]:
    """The user comes first: all else names it."""
    steps = [_of_package("sysusers", root)]
    if on_this_host(root):
        steps.append(_run("sysusers", _user_is_there(), f"user {USER}"))
    for name in UNITS:
        path = root / UNIT_FOLDER / f"{name}.d" / _DROP_IN
        steps.append(file_step(path, shipped("systemd", f"{name}.d/{_DROP_IN}"), 0o644))
    if service is not None:
        steps.append(_rule(service, units or [f"{service}.service"], root))
    steps.append(_of_package("tmpfiles", root))
    if on_this_host(root):
        words = f"/{CONFIG_FOLDER} and its files are readable by group {USER}"
        steps.append(_run("tmpfiles", _is_readable(root / CONFIG_FOLDER, service), words))
    return steps


def strict_files(root: Path) -> Iterator[Path]:
    """What `strict_steps` may have written, for as many services as there are."""
    for name in UNITS:
        yield root / UNIT_FOLDER / f"{name}.d" / _DROP_IN
    yield from sorted((root / _RULES).glob("50-failoverd-*.rules"))
    for kind in _MADE_BY:
        yield root / "etc" / f"{kind}.d" / f"{USER}.conf"


def next_strict_steps(service: str | None) -> list[str]:
    """What only a person can do, before all else."""
    steps = []
    if not Path("/usr/share/dbus-1/system-services/org.freedesktop.PolicyKit1.service").exists():
        steps.append("install polkit (Debian: polkitd): without it a controller that is not root steers no unit")
    if service is None:
        steps.append("failoverctl install --strict --service NAME --unit UNIT: lets it steer the units of a service")
    return steps


def _of_package(kind: str, root: Path) -> Step:
    name = f"{kind}.d/{USER}.conf"
    if (root / "usr/lib" / name).exists():
        return Step(f"{name}: the package's own", True)
    return file_step(root / "etc" / name, shipped("systemd", name), 0o644)


def _run(kind: str, done: bool, words: str) -> Step:
    command = (*_MADE_BY[kind].split(), f"{USER}.conf")
    return Step(f"{' '.join(command)}: {words}", done, command=command)


def _rule(service: str, units: Sequence[str], root: Path) -> Step:
    text = shipped("systemd", "polkit/50-failoverd.rules").replace(_SHIPPED_UNITS, json.dumps(list(units)))
    return file_step(root / _RULES / f"50-failoverd-{service}.rules", text, 0o644)


def _user_is_there() -> bool:
    try:
        pwd.getpwnam(USER)
    except KeyError:
        return False
    return True


def _is_readable(folder: Path, service: str | None) -> bool:
    """An example that is yet to be written has nobody's group."""
    files = {*folder.glob("*.yaml"), *([folder / f"{service}.yaml"] if service is not None else ())}
    try:
        group = grp.getgrnam(USER).gr_gid
        found = [folder.stat(), *(path.stat() for path in files)]
    except (KeyError, OSError):
        return False
    return all(one.st_gid == group and stat.S_IMODE(one.st_mode) in (0o750, 0o640) for one in found)
