"""S3: nothing but the controller starts the service. Would systemd, on this host, by itself?

Not in `config`, which starts and asks nothing: this runs systemctl. In the daemon's layer, because the daemon looks at
its start, and `check-config`, which is above, before that. Knows nothing of D-Bus: it works for everybody who may run
systemctl, and without a controller. Source: systemctl(1), systemd.service(5).
"""

from __future__ import annotations

import logging
import subprocess
from collections.abc import Iterator, Mapping, Sequence

from config import Config
from config.draft import Draft, of_config
from config.models import SystemdControlSettings, SystemdProbeSettings
from config.problems import Finding, KeyPath

log = logging.getLogger("failoverd")

DEADLINE_S = 3.0
_WORD = "may-start"
_PULLED_BY = ("TriggeredBy", "WantedBy", "RequiredBy", "UpheldBy")
_BY_ITSELF = (".target", ".socket", ".timer", ".path")  # a unit that is a service is somebody's to start
_CONTROLLER = "failoverd@"
_NAMES = ("Id", "LoadState", "UnitFileState", "Restart", "ExecCondition", "Before", *_PULLED_BY)
Properties = Mapping[str, str]


class NotAskedError(Exception):
    """systemd cannot be asked on this host; the text says why."""


def unit_findings(draft: Draft, systemctl: str = "systemctl") -> Iterator[Finding]:
    """Find units that would start by themselves. What cannot be seen from this host is a warning at most."""
    named = _named(draft)
    if not named:
        return
    try:
        found = _ask(list(named), systemctl)
    except NotAskedError as error:
        message = f"its unit cannot be looked at here: {error}"
        hint = "run this on the host itself: no unit may start the service by itself (S3)"
        yield Finding(next(iter(named.values())), message, hint, severity="warning")
        return
    for unit, path in named.items():
        yield from _judged(unit, path, found[unit])


def warn_of_units(config: Config) -> None:
    """Say in the log what `check-config` would refuse. The controller runs on: without it nothing is safer."""
    for finding in unit_findings(of_config(config)):
        level = logging.ERROR if finding.severity == "error" else logging.WARNING
        log.log(level, "%s; %s", finding.message, finding.hint)


def _named(draft: Draft) -> dict[str, KeyPath]:
    """Every unit that makes the service active, or is watched as the service, and where it is named."""
    named: dict[str, KeyPath] = {}
    control = draft.control
    if control is not None and control.unit is not None:
        named[control.unit] = ("control", "unit")
    if isinstance(control, SystemdControlSettings):
        for verb, unit in control.promote.orders():
            named.setdefault(unit, ("control", "promote", verb))
    for index, probe in draft.health:
        if isinstance(probe, SystemdProbeSettings):
            named.setdefault(probe.unit, ("health", index, "unit"))
    return named


def _judged(unit: str, path: KeyPath, told: Properties) -> Iterator[Finding]:
    if told.get("LoadState") == "not-found":
        message = f"there is no unit {unit} on this host"
        yield Finding(path, message, "check the name; or run this on the host itself", severity="warning")
        return
    yield from _waits(unit, path, told)
    if _asks_first(told.get("ExecCondition", "")):
        return
    for why, mend in _by_itself(unit, told):
        hint = f"{mend}, or let it ask: ExecCondition=+/usr/local/bin/failoverctl {_WORD} SERVICE"
        yield Finding(path, f"{unit} {why}, without asking the controller (S3)", hint)


def _waits(unit: str, path: KeyPath, told: Properties) -> Iterator[Finding]:
    """systemd would stop the controller first, and the stop that the controller asks for would wait for just that."""
    for name in told.get("Before", "").split():
        if path[0] == "control" and name.startswith(_CONTROLLER):
            message = f"{name} is ordered after {unit}, which it steers: when it is stopped, neither stops"
            yield Finding(path, message, f"take After={unit} out of {name}: see systemctl cat {name}")


def _by_itself(unit: str, told: Properties) -> Iterator[tuple[str, str]]:
    """Ways in which systemd would start it, and what ends each."""
    if told.get("UnitFileState", "").startswith("enabled"):
        yield "would start by itself at boot (it is enabled)", f"systemctl disable {unit}"
    else:
        pulling = {name for key in _PULLED_BY for name in told.get(key, "").split() if name.endswith(_BY_ITSELF)}
        if pulling:
            yield f"would be started by {', '.join(sorted(pulling))}", "take it out there"
    restart = told.get("Restart", "no")
    if restart not in ("no", ""):
        yield f"would be started again by systemd (Restart={restart})", "write Restart=no"


def _asks_first(conditions: str) -> bool:
    """One line for each ExecCondition=; one whose failure is ignored (`-`) asks nobody."""
    return any(f" {_WORD} " in f"{line} " and "ignore_errors=no" in line for line in conditions.splitlines())


def _ask(units: Sequence[str], systemctl: str) -> dict[str, Properties]:
    """What systemd says of each unit. Raises NotAskedError."""
    words = [systemctl, "show", "--no-pager", f"--property={','.join(_NAMES)}", "--", *units]
    try:
        done = subprocess.run(
            words, capture_output=True, timeout=DEADLINE_S, check=False, stdin=subprocess.DEVNULL, encoding="utf-8",
            errors="replace",
        )  # fmt: skip
    except FileNotFoundError:
        raise NotAskedError("there is no systemctl") from None
    except subprocess.TimeoutExpired:
        raise NotAskedError(f"systemctl has not answered in {DEADLINE_S:g} s") from None
    except OSError as error:
        raise NotAskedError(f"systemctl: {error.strerror}") from None
    blocks = [_properties(block) for block in done.stdout.strip("\n").split("\n\n")]
    if done.returncode != 0 or len(blocks) != len(units):
        said = (done.stderr.strip().splitlines() or ["no answer"])[0]
        raise NotAskedError(f"systemctl: {said[:200]}")
    return dict(zip(units, blocks, strict=True))


def _properties(block: str) -> Properties:
    """`Name=value` lines; a name that is told several times has several lines."""
    found: dict[str, str] = {}
    for line in block.splitlines():
        name, _, value = line.partition("=")
        found[name] = f"{found[name]}\n{value}" if name in found else value
    return found
