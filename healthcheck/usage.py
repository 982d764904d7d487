"""What a process tree and its host use, measured against limits, in words. Blocks: it is asked in a thread.

Knows nothing of how the process was found, nor of how often it is asked.
"""

from __future__ import annotations

import os
import resource
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from config.amounts import Amount, Share, format_bytes
from failover.support.reasons import reason_of
from healthcheck.descent import TreeUnknown, descendants

if TYPE_CHECKING:
    import psutil

T = TypeVar("T")
MOST_PROCESSES = 1000


@dataclass(frozen=True, slots=True)
class Limits:
    """None: not limited. `cpu`: percent of the whole host; `load`: for each processor."""

    memory: Amount | None = None
    open_files: Amount | None = None
    cpu: float | None = None
    disk: tuple[str, Amount] | None = None
    load: float | None = None

    @property
    def of_tree(self) -> bool:
        """Whether a process is needed."""
        return any(limit is not None for limit in (self.memory, self.open_files, self.cpu))


@dataclass(frozen=True, slots=True)
class Measured:
    """One thing as it is, in words with its limit, and whether it is over it."""

    what: str
    words: str
    over: bool


class NotMeasurable(Exception):
    """It could not be measured: who asks may not look, say. Tells nothing about the service."""


class Usage:
    """Measures; remembers the processor time of the last look."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._used: dict[tuple[int, float], float] = {}
        self._looked_s = 0.0

    def measure(self, main: list[int]) -> list[Measured]:
        """Everything that is limited. Raises NotMeasurable."""
        limits, found = self._limits, []
        if limits.of_tree:
            found += list(self._tree(_tree(main)))
        if limits.disk is not None:
            found.append(disk(*limits.disk))
        if limits.load is not None:
            found.append(load(limits.load))
        return found

    def _tree(self, tree: list[psutil.Process]) -> Iterator[Measured]:
        limits = self._limits
        if limits.memory is not None:
            yield memory(tree, limits.memory)
        if limits.open_files is not None:
            yield open_files(tree, limits.open_files)
        if limits.cpu is not None:
            yield self._cpu(tree, limits.cpu)

    def _cpu(self, tree: list[psutil.Process], limit: float) -> Measured:
        """Since the last look; at the first, since each process began."""
        now_s, before = time.time(), self._used
        used: dict[tuple[int, float], float] = {}
        share = 0.0
        for process in tree:
            times = _asked(process.cpu_times)
            if times is None:
                continue
            key = (process.pid, process.create_time())
            used[key] = times.user + times.system
            since_s = max(self._looked_s if key in before else key[1], key[1])
            share += (used[key] - before.get(key, 0.0)) / max(now_s - since_s, 0.1)
        self._used, self._looked_s = used, now_s
        percent = share / _processors() * 100
        words = f"cpu {percent:.0f} % of the host, limit {limit:g} %"
        return Measured("cpu", words, percent > limit)


def _tree(main: list[int]) -> list[psutil.Process]:
    import psutil

    try:
        pids = [*main, *sorted(descendants(main, MOST_PROCESSES))]
    except TreeUnknown as unknown:
        raise NotMeasurable(str(unknown)) from None
    found = []
    for pid in pids:
        try:
            found.append(psutil.Process(pid))
        except psutil.Error:  # it has ended
            continue
    return found


def _asked(question: Callable[[], T]) -> T | None:
    """None: the process has ended meanwhile."""
    import psutil

    try:
        return question()
    except (psutil.NoSuchProcess, ProcessLookupError):
        return None
    except (psutil.AccessDenied, PermissionError):
        raise NotMeasurable("permission denied: only root and the service's own user may look") from None


def memory(tree: list[psutil.Process], limit: Amount) -> Measured:
    """Resident memory. What several processes share counts once for each."""
    import psutil

    used = sum(told.rss for process in tree if (told := _asked(process.memory_info)) is not None)
    total = psutil.virtual_memory().total
    most = limit.percent / 100 * total if isinstance(limit, Share) else limit
    return Measured("memory", f"memory {_of(used, total)}, limit {_limit(limit)}", used > most)


def open_files(tree: list[psutil.Process], limit: Amount) -> Measured:
    """Of the process that is nearest to its own soft limit: each has one."""
    used, allowed, share = 0, 0, -1.0
    for process in tree:
        number = _asked(process.num_fds)
        soft = _asked(partial(_soft_limit, process))
        if number is None or soft is None:
            continue
        now = (number / soft if soft > 0 else 0.0) if isinstance(limit, Share) else float(number)
        if now > share:
            used, allowed, share = number, soft, now
    over = share * 100 > limit.percent if isinstance(limit, Share) else used > limit
    of = f"{used} of {allowed} ({used / allowed * 100:.0f} %)" if allowed > 0 else str(used)
    shown = f"{limit.percent:g} %" if isinstance(limit, Share) else str(limit)
    return Measured("open files", f"open files {of}, limit {shown}", over)


def _soft_limit(process: psutil.Process) -> int:
    soft, _hard = process.rlimit(resource.RLIMIT_NOFILE)
    return int(soft)


def disk(path: str, least: Amount) -> Measured:
    """What is free for others than root. A path that is not there is a disk that is not there."""
    try:
        told = os.statvfs(path)
    except OSError as error:
        return Measured("disk", f"disk {path}: {reason_of(error)}", True)
    free, total = told.f_bavail * told.f_frsize, told.f_blocks * told.f_frsize
    enough = least.percent / 100 * total if isinstance(least, Share) else least
    return Measured("disk", f"disk {path} has {_of(free, total)} free, limit {_limit(least)}", free < enough)


def load(limit: float) -> Measured:
    """The one-minute average for each processor."""
    now = os.getloadavg()[0] / _processors()
    return Measured("load", f"load {now:.2f} per processor, limit {limit:g}", now > limit)


def _of(amount: float, total: float) -> str:
    percent = f" ({amount / total * 100:.0f} %)" if total else ""
    return f"{format_bytes(amount)} of {format_bytes(total)}{percent}"


def _limit(limit: Amount) -> str:
    return f"{limit.percent:g} %" if isinstance(limit, Share) else format_bytes(limit)


def _processors() -> int:
    return os.cpu_count() or 1
