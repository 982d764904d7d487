"""Restore: the controller's unit that a strike has stopped is started again, once, and nothing else.

Never the service's unit: the controller itself makes sure that it is standby (S8), and the epoch floor stays (S4).
Whatever was down before the strike, or was stopped, disabled or masked since, stays as it is. Knows neither ssh nor the
command line.
"""

from __future__ import annotations

from dataclasses import replace

from failover.cli.fence_local.allowed import Allowed
from failover.cli.fence_local.controller import ControllerProcesses
from failover.cli.fence_local.outcome import Deadline, Refused
from failover.cli.fence_local.stopped import Stopped, recall, remember
from failover.cli.fence_local.units import Standing, Unit, is_systemd_here
from failover.cli.fence_local.work import identify
from failover.support.fence_request import FenceRequest
from failover.support.spawner import boot_id

STARTED, RUNS, NOTHING = "started", "runs", "nothing"
_LOOK_S, _LAST_LOOK_S = 0.2, 0.5
_BARRED = ("disabled", "masked", "masked-runtime")


def restore(asked: FenceRequest, allowed: Allowed, deadline: Deadline) -> dict[str, object]:
    """Start what the strike of that epoch has stopped; `gave` and, for `nothing`, why. Raises Refused or NotDone."""
    facts: dict[str, object] = {"boot_id": boot_id(), "rebooted": identify(asked)}
    if not (allowed.systemd and is_systemd_here()):
        raise Refused("its controller is no unit of systemd there: start it by hand")
    processes = ControllerProcesses(allowed.folder)
    if processes.folder.is_dir():  # else no strike can have ended anything here
        processes.take_turn(deadline)
    unit = Unit(asked.controller, deadline)
    gave, owed = RUNS, recall(unit.name)
    if unit.first.ended:
        why = _why_nothing(unit, owed, asked.epoch)
        if why:
            return facts | {"gave": NOTHING, "why": why}
        unit.start(deadline)
        gave = STARTED
    if owed is not None:
        remember(replace(owed, given=True))
    processes.leave_turn()  # a strike need not wait until it is ready
    _comes_up(unit, deadline)
    return facts | {"gave": gave, "controller": unit.name}


def _why_nothing(unit: Unit, owed: Stopped | None, epoch: int) -> str:
    """Why it stays down; "": it is to be started. Raises Refused where somebody must look."""
    name, seen = unit.name, unit.first
    if owed is None or owed.boot != boot_id():
        return f"{name} was down before the fence, or was stopped by somebody after it came back"
    if owed.epoch != epoch:
        return f"{name} was struck again under epoch {owed.epoch}: whoever did that gives it back"
    if seen.load == "masked" or (seen.enabled in _BARRED and seen.enabled != owed.enabled):
        return f"{name} was {seen.enabled or seen.load} since the fence"
    if owed.is_untouched(boot_id(), seen.invocation):
        return ""
    if seen.active == "failed":
        raise Refused(_has_failed(name, seen))
    return f"{name} was started since the fence, and somebody has stopped it"


def _comes_up(unit: Unit, deadline: Deadline) -> None:
    """Wait until systemd calls it active: it has joined the election then. Raises Refused or NotDone."""
    seen = unit.first

    def up() -> bool:
        nonlocal seen
        seen = unit.look(Deadline(max(_LAST_LOOK_S, deadline.left_s())))
        if seen.active == "failed":
            raise Refused(_has_failed(unit.name, seen))
        return seen.runs

    def words() -> str:
        told = f": {seen.status}" if seen.status else ""
        return f"{unit.name} is not ready yet ({seen.active}, {seen.sub}){told}"

    deadline.until(up, words, _LOOK_S)


def _has_failed(name: str, seen: Standing) -> str:
    return f"{name} was started again, and has failed ({seen.result}): journalctl -u {name} there says why"
