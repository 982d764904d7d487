"""Units of systemd: stopped for good, killed to the last process, looked at until nothing is left; or started again.

By `systemctl` and the kernel's control groups, not over D-Bus: it must start fast, and work where the bus is ill.
Knows no service, no controller. Source: systemctl(1), systemd.kill(5), the kernel's cgroup-v2 documentation.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path

from failover.cli.fence_local.outcome import Deadline, NotDone, Refused
from failover.support.control_groups import MOUNT, ControlGroupError, group_of, processes_in

_PROPERTIES = "LoadState,ActiveState,SubState,ControlGroup,Slice,Job,InvocationID,UnitFileState,Result,StatusText"
_PLACES = ("", "unified")
"""Where cgroup v2 is mounted: alone, or beside v1."""
_ENDED = ("inactive", "failed")
_RUNS = ("active", "reloading")
_ASK_S = 5.0


@dataclass(frozen=True, slots=True)
class Standing:
    """How systemd says that a unit is, in its own words; "" where it says nothing."""

    load: str
    active: str
    sub: str
    group: str
    slice: str
    job: str
    invocation: str
    enabled: str
    result: str
    status: str

    @property
    def ended(self) -> bool:
        """Nothing of it runs, and systemd starts nothing by itself."""
        return self.active in _ENDED

    @property
    def runs(self) -> bool:
        """It is ready."""
        return self.active in _RUNS

    @property
    def up(self) -> bool:
        """It runs, or comes up by itself; one that somebody is stopping does not."""
        return self.runs or self.active == "activating"


class Unit:
    """One unit, and how it was at the first look: systemd forgets the control group of a stopped one."""

    def __init__(self, name: str, deadline: Deadline) -> None:
        self.name = name
        self.first = self.look(deadline)
        if self.first.load in ("", "not-found", "bad-setting", "error"):
            found = self.first.load or "unknown"
            raise Refused(
                f"systemd does not know {name} here ({found}): is it the unit's name? systemctl status {name}"
            )
        self.group = self.first.group or self._former_group(self.first.slice or "system.slice", deadline)

    def look(self, deadline: Deadline) -> Standing:
        """How it is now. Raises NotDone."""
        said = _systemctl(["show", "--no-pager", f"--property={_PROPERTIES}", "--", self.name], deadline)
        told = dict(line.partition("=")[::2] for line in said.splitlines())
        return Standing(*(told.get(name, "") for name in _PROPERTIES.split(",")))

    def _former_group(self, slice_name: str, deadline: Deadline) -> str:
        """Where a stopped unit had its processes: one may have been left there. In a container, below its root."""
        root = _systemctl(["show", "--no-pager", "--property=ControlGroup"], deadline).strip()
        return group_of(self.name, slice_name, root.partition("=")[2])

    def processes(self) -> list[int]:
        """What runs in its control group. Raises NotDone where that cannot be read."""
        try:
            return processes_in(self.group)
        except ControlGroupError as error:
            raise NotDone(f"the control group of {self.name} cannot be read: {error}") from None

    def stop(self, deadline: Deadline) -> None:
        """Queue a stop, so that no Restart= can fire any more, and kill without waiting for it. Raises NotDone."""
        _systemctl(["stop", "--no-block", "--", self.name], deadline)
        self.kill()

    def kill(self) -> None:
        """SIGKILL to all in its group, at once where the kernel can (5.14): no fork escapes. Repeated until empty."""
        for place in _PLACES:
            with contextlib.suppress(OSError):  # an older kernel, or the group has gone
                (MOUNT / place / self.group.strip("/") / "cgroup.kill").write_text("1")
        for pid in self.processes():
            if pid != os.getpid():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)

    def end(self, deadline: Deadline) -> None:
        """Kill until nothing is left and systemd says so. Raises NotDone, with what is left."""

        def ended() -> bool:
            if self.processes():
                self.kill()
                return False
            return not self.wrong(deadline)

        deadline.until(ended, lambda: self.wrong(Deadline(1.0)) or f"{self.name} has not ended in time")

    def wrong(self, deadline: Deadline) -> str:
        """Why it does not count as ended; "" if it does. Raises NotDone."""
        pids = self.processes()
        if pids:
            return f"processes of {self.name} live on after SIGKILL: {', '.join(map(str, pids))}"
        seen = self.look(deadline)
        if not seen.ended:
            return f"{self.name} is {seen.active} ({seen.sub})"
        if seen.job not in ("", "0"):
            return f"a job of {self.name} is still queued"
        return ""

    def start(self, deadline: Deadline) -> None:
        """Order it, whatever a start limit says: it had run, and was not let run on. Raises NotDone."""
        with contextlib.suppress(NotDone):  # systemd has forgotten the unit, and its limit
            _systemctl(["reset-failed", "--", self.name], deadline)
        _systemctl(["start", "--no-block", "--", self.name], deadline)


def _systemctl(words: list[str], deadline: Deadline) -> str:
    wait_s = min(_ASK_S, deadline.left_s())
    try:
        done = subprocess.run(
            ["systemctl", *words], capture_output=True, stdin=subprocess.DEVNULL, timeout=wait_s, check=False,
            encoding="utf-8", errors="replace",
        )  # fmt: skip
    except FileNotFoundError:
        raise Refused("there is no systemctl here: give fence-local --no-systemd") from None
    except subprocess.TimeoutExpired:
        raise NotDone(f"systemctl {words[0]} has not answered in {wait_s:.1f} s") from None
    except OSError as error:
        raise NotDone(f"systemctl: {error.strerror}") from None
    if done.returncode != 0:
        said = (done.stderr.strip().splitlines() or [f"exit {done.returncode}"])[0]
        raise NotDone(f"systemctl {words[0]} {words[-1]}: {said[:200]}")
    return done.stdout


def is_systemd_here() -> bool:
    """Whether systemd is this host's first process; sd_booted(3)."""
    return Path("/run/systemd/system").is_dir()
