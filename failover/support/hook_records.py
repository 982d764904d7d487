"""What is on disk about running hooks: `<state_dir>/hooks/<id>`, one file for each, written before it is executed.

A starting controller reads them to end what its predecessor left behind (S4), also when that one and its launcher
were both killed outright. Knows nothing of what the hooks do. Blocking, and bounded: for the time before the loop.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from failover.support import spawner
from failover.support.spawner import (
    bears_mark,
    boot_id,
    kill_member,
    kill_started_at,
    marked,
    members,
    read_stat,
    start_time,
)

DIRECTORY = "hooks"
MARK = spawner.MARK
END_WAIT_S = 2.0
_PAUSE_S = 0.005
_LARGEST_RECORD = 4096


@dataclass(frozen=True, slots=True)
class HookRecord:
    """Who a hook is: its leader's pid and start time (ticks after boot), its group, and whose hook it is.

    `whole_tree`: whatever bears its mark is its own, also outside of its session.
    """

    id: str
    name: str
    pid: int
    start_time: int
    boot_id: str
    controller: int
    controller_start_time: int
    whole_tree: bool = False


@dataclass(frozen=True, slots=True)
class EndedHooks:
    """What became of the recorded hooks, by id.

    `alive`: it could not be ended, or what is left of it cannot be told from a stranger.
    """

    ended: tuple[str, ...] = ()
    alive: tuple[str, ...] = ()


def hooks_directory(state_dir: str | Path) -> Path:
    """Where the records are."""
    return Path(state_dir) / DIRECTORY


def read_records(state_dir: str | Path) -> list[HookRecord]:
    """Every record that can be read. One that cannot was cut off while being written: its hook never ran.

    Raises OSError where the folder itself cannot be read.
    """
    directory = hooks_directory(state_dir)
    try:
        paths = sorted(path for path in directory.iterdir() if path.suffix != ".new")
    except FileNotFoundError:
        return []
    return [record for path in paths if (record := _read(path)) is not None]


def living_members(record: HookRecord) -> tuple[list[int], list[int]]:
    """The processes that are certainly this hook's, and those of which that cannot be told.

    Certain: the leader's pid, start time and boot agree, or they bear the hook's mark in their environment. A leader
    of the right number but another start time shows that the number was free, hence that nothing was left.
    """
    if record.boot_id != boot_id():
        return [], []
    strays = list(marked(record.id)) if record.whole_tree else []
    leader = start_time(record.pid)
    if leader and leader != record.start_time:
        return strays, []
    living = members(record.pid)
    if leader:
        return [*living, *strays], []
    certain = [pid for pid in living if bears_mark(pid, record.id)]
    return [*certain, *strays], [pid for pid in living if pid not in certain]


def is_alive(record: HookRecord) -> bool:
    """Whether anything of it may still run (S5: doubt counts as alive)."""
    return any(living_members(record))


def end_recorded_hooks(state_dir: str | Path, wait_s: float = END_WAIT_S) -> EndedHooks:
    """SIGKILL every recorded hook whose controller is gone, and wait up to `wait_s` seconds until they are.

    Records of what ended are removed. Those of another living controller (another service's) are left alone.
    """
    return end_hooks(state_dir, left_behind(state_dir), wait_s)


def left_behind(state_dir: str | Path) -> list[HookRecord]:
    """The records whose controller is gone, or is this very process."""
    return [record for record in read_records(state_dir) if not _has_other_controller(record)]


def end_hooks(state_dir: str | Path, records: Iterable[HookRecord], wait_s: float = END_WAIT_S) -> EndedHooks:
    """End just these; see `end_recorded_hooks`."""
    left = {record.id: record for record in records}
    ended: list[str] = []
    until = time.monotonic() + wait_s
    while left:
        for record in list(left.values()):
            certain, doubtful = living_members(record)
            for pid in certain:
                kill_member(pid, record.pid)
            if record.whole_tree:
                for pid, started in marked(record.id).items():
                    kill_started_at(pid, started)
            if not (certain or doubtful):
                (hooks_directory(state_dir) / record.id).unlink(missing_ok=True)
                ended.append(record.id)
                del left[record.id]
        if not left or time.monotonic() >= until:
            break
        time.sleep(_PAUSE_S)
    return EndedHooks(tuple(ended), tuple(left))


def _has_other_controller(record: HookRecord) -> bool:
    if record.controller == os.getpid():
        return False
    return (
        record.boot_id == boot_id()
        and start_time(record.controller) == record.controller_start_time != 0
        and not _is_zombie(record.controller)
    )


def _is_zombie(pid: int) -> bool:
    stat = read_stat(pid)
    return stat is not None and stat[0] in "ZX"


def _read(path: Path) -> HookRecord | None:
    try:
        text = path.read_text("utf-8")[:_LARGEST_RECORD]
        fields = dict(line.split(" ", 1) for line in text.splitlines())
        return HookRecord(
            id=path.name,
            name=fields["name"],
            pid=int(fields["pid"]),
            start_time=int(fields["start_time"]),
            boot_id=fields["boot_id"],
            controller=int(fields["controller"]),
            controller_start_time=int(fields["controller_start_time"]),
            whole_tree=fields.get("whole_tree") == "1",
        )
    except (OSError, ValueError, KeyError):
        return None
