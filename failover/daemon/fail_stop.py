"""Fail-stop (S10): who can no longer decide ends itself, at once and for certain.

The supervisor restarts the controller, the peers are safe by S1. Nothing here may wait for anything that could be
stuck itself: a log that does not take a line (a stalled journal) must not keep a controller alive that holds the lock.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from failover.daemon.exit_codes import ExitCode
from failover.support.hook_records import end_recorded_hooks

log = logging.getLogger("failoverd")

LAST_WORDS_S = 1.0
ENDING_HOOKS_S = 1.0


class FailStop:
    """Ends the process. `dump` writes the last steps to the log."""

    def __init__(self, state_folder: Path, dump: Callable[[], None]) -> None:
        self._state_folder = state_folder
        self._dump = dump
        self._begun = threading.Lock()

    def on_exception(self, context: dict[str, Any]) -> None:
        """The loop's exception handler: what nobody foresaw."""
        error = context.get("exception")
        self.now(f"{type(error).__name__}: {error}" if error is not None else str(context.get("message")), error)

    def on_lost_launcher(self, why: str) -> None:
        """No hook can be run or ended any more: those that run are ended here, before we go (S4)."""
        _exit_after(LAST_WORDS_S + ENDING_HOOKS_S)
        end_recorded_hooks(self._state_folder, ENDING_HOOKS_S)
        self.now(why)

    def now(self, why: str, error: BaseException | None = None) -> None:
        """Say why, as far as the log takes it, and end."""
        if not self._begun.acquire(blocking=False):
            return
        _exit_after(LAST_WORDS_S)
        log.critical("fail-stop: %s", why)
        log.debug("where it happened", exc_info=error)
        self._dump()
        logging.shutdown()
        os._exit(ExitCode.FAIL_STOP)


def _exit_after(seconds: float) -> None:
    def end() -> None:
        time.sleep(seconds)
        os._exit(ExitCode.FAIL_STOP)

    threading.Thread(target=end, name="fail-stop", daemon=True).start()
