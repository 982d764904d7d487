"""The service's history: sequential records, the oldest dropped.

Deliberately unknown here: what the entries say.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

from failover.stores.codec import encode_history, read_history
from failover.stores.zookeeper.client import SessionClient
from failover.stores.zookeeper.paths import Paths
from failover.stores.zookeeper.replies import answered, missing

MOST_ENTRIES = 200
MOST_WAITING = 100  # entries kept for when the store is back
_TRIM_EVERY = 8
_BATCH = 32


class HistoryWriter:
    """Appends, best effort; what cannot be sent now waits, the newest MOST_WAITING of it."""

    def __init__(self, paths: Paths) -> None:
        self._paths = paths
        self._waiting: deque[dict[str, Any]] = deque(maxlen=MOST_WAITING)

    def append(self, entries: Sequence[dict[str, Any]]) -> None:
        """Put the entries in the queue; `flush` sends them."""
        self._waiting.extend(entries)

    @property
    def waiting(self) -> bool:
        """Whether there is anything to send."""
        return bool(self._waiting)

    def flush(self, client: SessionClient, sent: Callable[[], None] | None = None) -> None:
        """Send what waits; `sent` is called when the last has been answered."""
        last: Any = None
        while self._waiting and client.usable:
            data = encode_history(self._waiting.popleft())
            last = client.create_async(f"{self._paths.history}/e-", data, sequence=True)
            last.rawlink(lambda result: self._appended(client, result))
        if sent is not None:
            if last is None:
                sent()
            else:
                last.rawlink(lambda _: sent())

    def _appended(self, client: SessionClient, result: Any) -> None:
        """Count by the sequence number, so that all the writers together trim often enough."""
        if result.exception is None and int(result.value[-10:]) % _TRIM_EVERY == 0:
            names = client.get_children_async(self._paths.history)
            names.rawlink(lambda _: self._trim(client, names))

    def _trim(self, client: SessionClient, names: Any) -> None:
        if not answered(names) or missing(names):
            return
        surplus = len(names.value) - (MOST_ENTRIES - _TRIM_EVERY)
        for name in sorted(names.value)[: max(0, min(surplus, _BATCH))]:
            client.delete_async(self._paths.child(self._paths.history, name))


class HistoryReading:
    """Reads all entries, a batch at a time so that nobody else's calls wait long."""

    def __init__(
        self,
        client: SessionClient,
        paths: Paths,
        answer: Callable[[list[dict[str, Any]] | None], None],
    ) -> None:
        self._client = client
        self._paths = paths
        self._answer = answer
        self._names: list[str] = []
        self._entries: list[dict[str, Any]] = []

    def begin(self) -> None:
        """Ask for the names first."""
        names = self._client.get_children_async(self._paths.history)
        names.rawlink(lambda _: self._named(names))

    def _named(self, names: Any) -> None:
        if not answered(names):
            self._answer(None)
            return
        self._names = [] if missing(names) else sorted(names.value)[-MOST_ENTRIES:]
        self._next_batch()

    def _next_batch(self) -> None:
        batch, self._names = self._names[:_BATCH], self._names[_BATCH:]
        if not batch:
            self._answer(self._entries)
            return
        paths = [self._paths.child(self._paths.history, name) for name in batch]
        reads = [(path, self._client.get_async(path)) for path in paths]
        reads[-1][1].rawlink(lambda _: self._read(reads))

    def _read(self, reads: list[tuple[str, Any]]) -> None:
        if not answered(*(read for _, read in reads)):
            self._answer(None)
            return
        self._entries += [read_history(path, read.value[0] or b"") for path, read in reads if not missing(read)]
        self._next_batch()
