"""A short-lived client for whoever asks something without a session of the service (an operator's command).

Deliberately unknown here: what is asked.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from failover.stores.zookeeper.client import Owner, SessionClient

LONGEST_S = 5.0


class Errand:
    """Connects, calls `work(client, finish)` once, and leaves; `failed` is called where that was not possible.

    Exactly one of `failed` and the end of `work` happens, LONGEST_S after `begin` at the latest: by then the
    connection is dropped, which answers every call under way.
    """

    def __init__(
        self,
        new_client: Callable[[Owner], SessionClient],
        gate: threading.RLock,
        work: Callable[[SessionClient, Callable[[], None]], None],
        failed: Callable[[], None],
    ) -> None:
        self._gate = gate
        self._work = work
        self._failed: Callable[[], None] | None = failed
        self.client = new_client(self)
        self._timer = threading.Timer(LONGEST_S, self._late)
        self._timer.daemon = True

    def begin(self) -> None:
        """Connect; called with the gate held."""
        self._timer.start()
        self.client.begin()

    def abandon(self) -> None:
        """Give up now; called with the gate held."""
        self._timer.cancel()
        self.client.abandon()

    def connected(self, client: SessionClient) -> None:
        if self._failed is not None:
            self._failed = None
            self._work(client, self._finished)

    def suspended(self, client: SessionClient) -> None:
        client.abandon()

    def ended(self, client: SessionClient, state: str) -> None:  # noqa: ARG002
        self._timer.cancel()
        failed, self._failed = self._failed, None
        if failed is not None:
            failed()

    def _finished(self) -> None:
        if self.client.connected:
            self.client.end_session(for_s=LONGEST_S)

    def _late(self) -> None:
        with self._gate:
            self.client.abandon()
