"""The one thread of a local store: does what is asked, in order, and looks around whenever something changed.

Deliberately unknown here: what is asked, and what is looked at.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import Protocol

from failover.stores.local.notices import Notices

MOST_QUEUED = 256

# The kernel tells of a closed file an instant before it lets go of its flock: look again, twice.
_LOOK_AGAIN_S = (0.02, 0.002)
_SHUT_DOWN_S = 1.5

Work = Callable[[bool], None]


class Looker(Protocol):
    """What the thread serves."""

    def look(self) -> None:
        """Something may have changed."""

    def finish(self) -> None:
        """The thread ends."""


class Worker:
    """Starts with the first work, ends with `stop`. Work is called with True; with False where it is refused."""

    def __init__(self, looker: Looker) -> None:
        self.notices = Notices()
        self._looker = looker
        self._queue: deque[Work] = deque()
        self._gate = threading.Lock()
        self._thread: threading.Thread | None = None
        self._stopping = False

    def put(self, work: Work) -> None:
        """Do it soon; refuse it at once when the worker has stopped or too much waits."""
        with self._gate:
            refused = self._stopping or len(self._queue) >= MOST_QUEUED
            if not refused:
                self._queue.append(work)
                self._start()
                self.notices.ring()
        if refused:
            work(False)

    def stop(self) -> None:
        """End the thread, within 1.5 s; what waits is refused."""
        with self._gate:
            first, self._stopping = not self._stopping, True
            thread = self._thread
            if first and thread is None:
                self.notices.close()
            elif first:
                self.notices.ring()
        if thread is not None and thread is not threading.current_thread():
            thread.join(_SHUT_DOWN_S)

    def _start(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="failoverd-local", daemon=True)
            self._thread.start()

    def _run(self) -> None:
        waits: list[float] = []
        try:
            while not self._stopping:
                self._work_off()
                if not self._stopping:
                    self._looker.look()
                    changed = self.notices.wait(waits.pop() if waits else self.notices.poll_s)
                    waits = list(_LOOK_AGAIN_S) if changed else waits
        finally:
            self._finish()

    def _work_off(self) -> None:
        while self._queue and not self._stopping:
            self._queue.popleft()(True)

    def _finish(self) -> None:
        with self._gate:
            self._stopping = True
            self.notices.close()
        self._looker.finish()
        while self._queue:
            self._queue.popleft()(False)
