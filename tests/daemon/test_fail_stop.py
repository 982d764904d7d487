"""Fail-stop (S10): the process ends, whatever else is stuck."""

import os
import subprocess
import sys
import textwrap

from failover.daemon.exit_codes import ExitCode
from failover.runtime.watchdog import LoopWatchdog
from tests.servers.wait import eventually

SCRIPT = textwrap.dedent(
    """
    import logging, sys
    from pathlib import Path
    from failover.daemon.fail_stop import FailStop
    logging.basicConfig(stream=sys.stderr)
    fail_stop = FailStop(Path(sys.argv[1]), lambda: logging.error("the last steps"))
    {}
    """
)


def test_it_ends_although_nobody_takes_the_log_s10(tmp_path) -> None:
    """A stalled journal: standard error is a full pipe that nobody reads."""
    reading, writing = os.pipe()
    fill = "import os; os.set_blocking(2, False)\ntry:\n    while True: os.write(2, b'x' * 4096)\n"
    fill += "except BlockingIOError: os.set_blocking(2, True)\nfail_stop.now('stuck')"
    process = subprocess.Popen([sys.executable, "-c", SCRIPT.format(fill), str(tmp_path)], stderr=writing)
    try:
        assert process.wait(20) == ExitCode.FAIL_STOP
    finally:
        os.close(reading)
        os.close(writing)


def test_it_says_why_and_what_the_last_steps_were_without_a_traceback_s10(tmp_path) -> None:
    body = "fail_stop.on_exception({'exception': ValueError('S1: promote without the lock')})"
    ended = subprocess.run(
        [sys.executable, "-c", SCRIPT.format(body), str(tmp_path)], capture_output=True, text=True, timeout=20
    )
    assert ended.returncode == ExitCode.FAIL_STOP
    assert "fail-stop: ValueError: S1: promote without the lock" in ended.stderr
    assert "the last steps" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_loop_that_stands_still_is_stuck_and_one_that_beats_is_not_s10() -> None:
    beats, stuck = iter(range(10**9)), []
    beating = LoopWatchdog(lambda: next(beats), lambda: stuck.append("beating"), slice_s=0.001)
    still = LoopWatchdog(lambda: 0, lambda: stuck.append("still"), slice_s=0.001)
    for watchdog in (beating, still):
        watchdog.start()
    eventually(lambda: stuck, 10, "the one that stands still is found")
    for watchdog in (beating, still):
        watchdog.stop()
    assert stuck == ["still"]


def test_a_watchdog_that_was_never_started_can_be_stopped() -> None:
    LoopWatchdog(lambda: 0, lambda: None).stop()
