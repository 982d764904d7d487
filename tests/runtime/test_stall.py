"""A loop that stood still notices it at its next tick; so it does a wall clock that was set."""

import os
import signal
import subprocess
import sys
import time

from failover.runtime.stall import Clocks, StallWatch
from tests.servers.wait import eventually


class Watched:
    """A watch whose clocks the test sets; a tick is due every second."""

    def __init__(self) -> None:
        self.now = Clocks(100.0, 5000.0)
        self.stalls: list[float] = []
        self.jumps: list[float] = []
        self.late: list[float] = []
        self.watch = StallWatch(
            1.0,
            self.stalls.append,
            self.jumps.append,
            on_tick=self.late.append,
            late_s=0.5,
            jump_s=2.0,
            clocks=lambda: self.now,
        )
        self.watch.tick()

    def passes(self, boot_s: float, wall_s: float | None = None) -> None:
        """So much time passes, then the loop ticks."""
        self.now = Clocks(self.now.boot_s + boot_s, self.now.wall_s + (boot_s if wall_s is None else wall_s))
        self.watch.tick()


def test_the_first_tick_tells_nothing_however_late_it_is() -> None:
    watched = Watched()
    assert (watched.stalls, watched.jumps) == ([], [])


def test_a_tick_that_is_a_little_late_is_no_stall() -> None:
    watched = Watched()
    for passed_s in (1.0, 1.5, 0.2):
        watched.passes(passed_s)
    assert (watched.stalls, watched.watch.stalled_s) == ([], 0.0)


def test_a_tick_that_is_too_late_tells_by_how_much() -> None:
    watched = Watched()
    watched.passes(4.0)
    assert watched.stalls == [3.0]


def test_how_late_each_tick_was_is_told_and_early_ones_are_not_late() -> None:
    watched = Watched()
    for passed_s in (1.25, 0.5, 4.0):
        watched.passes(passed_s)
    assert watched.late == [0.25, 0.0, 3.0]


def test_stalls_add_up() -> None:
    watched = Watched()
    watched.passes(4.0)
    watched.passes(1.0)
    watched.passes(2.0)
    assert (watched.watch.stalls, watched.watch.stalled_s) == (2, 4.0)


def test_a_suspended_host_is_a_stall_and_no_jump() -> None:
    """CLOCK_BOOTTIME and the wall clock both went on."""
    watched = Watched()
    watched.passes(3600.0)
    assert (watched.stalls, watched.jumps) == ([3599.0], [])


def test_a_wall_clock_that_was_set_is_a_jump_and_no_stall() -> None:
    watched = Watched()
    watched.passes(1.0, wall_s=61.0)
    watched.passes(1.0, wall_s=-29.0)
    assert (watched.stalls, watched.jumps) == ([], [60.0, -30.0])


def test_a_wall_clock_that_is_slewed_is_no_jump() -> None:
    watched = Watched()
    for _ in range(100):
        watched.passes(1.0, wall_s=1.1)
    assert watched.jumps == []


STOPPED = """
import asyncio
from failover.runtime.stall import StallWatch

async def main():
    told = []
    watch = StallWatch(0.05, told.append, late_s=0.3)
    watch.tick()  # the first one is only noted
    print("ticking", flush=True)
    for _ in range(400):
        await asyncio.sleep(0.05)
        watch.tick()
        if told:
            break
    print(f"stalled {any(late_s > 0.3 for late_s in told)}", flush=True)

asyncio.run(main())
"""


def test_a_process_that_was_stopped_and_continued_notices_it() -> None:
    with subprocess.Popen([sys.executable, "-c", STOPPED], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ticking\n"
        os.kill(process.pid, signal.SIGSTOP)
        until_s = time.monotonic() + 0.5
        eventually(lambda: time.monotonic() > until_s, 5.0, "it was stopped for long enough")
        os.kill(process.pid, signal.SIGCONT)
        assert process.stdout.readline() == "stalled True\n"
        eventually(lambda: process.poll() is not None, 5.0, "it has ended")
