"""The watches' order of things, with every answer and event given by hand."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from kazoo.exceptions import ConnectionLoss, NoNodeError
from kazoo.protocol.states import EventType, WatchedEvent

from failover.core.events import Event, LockSeen
from failover.core.values import Breadcrumb, Control, Lock, Node
from failover.stores.codec import encode_breadcrumb, encode_control, encode_owner
from failover.stores.zookeeper.paths import Paths
from failover.stores.zookeeper.watching import Readings, Watching

PATHS = Paths("/failover", "orders-db")
DB1 = Node("db1", "m1")


class Reply:
    """kazoo's AsyncResult, as far as it is used."""

    def __init__(self) -> None:
        self.value: Any = None
        self.exception: Exception | None = None
        self._linked: list[Callable[[Reply], None]] = []

    def rawlink(self, callback: Callable[["Reply"], None]) -> None:
        self._linked.append(callback)

    def give(self, value: object) -> None:
        if isinstance(value, Exception):
            self.exception = value
        else:
            self.value = value
        for callback in self._linked:
            callback(self)


class HandClient:
    """A client whose answers are given by the test, in the order of the calls."""

    connected = True
    closing = False
    session = "1a"

    def __init__(self) -> None:
        self.calls: list[tuple[str, str, Reply]] = []
        self.watch: Callable[[WatchedEvent], None] | None = None

    def _call(self, kind: str, path: str, watch: Any) -> Reply:
        reply = Reply()
        self.calls.append((kind, path, reply))
        self.watch = watch or self.watch
        return reply

    def get_async(self, path: str, watch: Any = None) -> Reply:
        return self._call("get", path, watch)

    def exists_async(self, path: str, watch: Any = None) -> Reply:
        return self._call("exists", path, watch)

    def get_children_async(self, path: str, watch: Any = None) -> Reply:
        return self._call("names", path, watch)

    def answer(self, kind: str, path: str, value: object) -> None:
        """Answer the oldest call, which must be this one."""
        assert self.calls, f"nothing was asked, least of all {kind} {path}"
        asked, at, reply = self.calls.pop(0)
        assert (asked, at) == (kind, path)
        reply.give(value)

    def fire(self, kind: str, path: str) -> None:
        assert self.watch is not None
        self.watch(WatchedEvent(kind, "CONNECTED", path))


def held(czxid: int, owner: int = 7) -> tuple[bytes, object]:
    return encode_owner(DB1), SimpleNamespace(czxid=czxid, ephemeralOwner=owner, version=0)


def crumb(version: int, clean: bool) -> tuple[bytes, object]:
    record = Breadcrumb(DB1, version, "boot", clean=clean)
    return encode_breadcrumb(record), SimpleNamespace(version=version, ephemeralOwner=0)


CONTROL = (encode_control(Control()), SimpleNamespace(version=0))
FREE = NoNodeError()


class Seen:
    """A Watching that has settled on a lock held by czxid 5 under breadcrumb 1."""

    def __init__(self) -> None:
        self.client = HandClient()
        self.events: list[Event] = []
        self.watching = Watching(self.client, PATHS, Readings(), self.events.append)  # type: ignore[arg-type]
        self.settled: list[object] = []
        self.watching.read_all(lambda *first: self.settled.append(first))
        self.client.answer("get", PATHS.control, CONTROL)
        self.client.answer("names", PATHS.members, [])
        self.client.answer("get", PATHS.lock, held(5))
        self.client.answer("get", PATHS.crumb, crumb(1, clean=False))
        self.events.clear()

    def lock_freed(self) -> None:
        self.client.fire(EventType.DELETED, PATHS.lock)

    def told(self) -> list[tuple[int | None, int]]:
        """Each LockSeen as (czxid, breadcrumb's version)."""
        return [
            (event.holder.czxid if event.holder else None, event.crumb.version)
            for event in self.events
            if isinstance(event, LockSeen)
        ]


@pytest.fixture
def seen() -> Seen:
    return Seen()


def test_the_first_reading_is_handed_over_and_then_the_lock_is_told() -> None:
    seen = Seen()
    assert len(seen.settled) == 1
    seen.watching.read_all()
    assert seen.told() == []


def test_a_freed_lock_costs_one_round_trip(seen: Seen) -> None:
    seen.lock_freed()
    seen.client.fire(EventType.CHANGED, PATHS.crumb)
    assert [call[:2] for call in seen.client.calls] == [("exists", PATHS.lock), ("get", PATHS.crumb)]
    seen.client.answer("exists", PATHS.lock, None)
    seen.client.answer("get", PATHS.crumb, crumb(2, clean=True))
    assert seen.told() == [(None, 2)]
    assert seen.client.calls == []


def test_a_lock_taken_between_the_two_answers_is_neither_missed_nor_told_as_free(seen: Seen) -> None:
    seen.lock_freed()
    seen.client.answer("exists", PATHS.lock, None)
    seen.client.fire(EventType.CREATED, PATHS.lock)
    seen.client.fire(EventType.CHANGED, PATHS.crumb)
    seen.client.answer("get", PATHS.crumb, crumb(3, clean=False))
    assert seen.told() == []
    seen.client.answer("get", PATHS.lock, held(9))
    seen.client.answer("get", PATHS.crumb, crumb(3, clean=False))
    assert seen.told() == [(9, 3)]
    assert seen.client.calls == []


def test_a_lock_freed_between_the_two_answers_is_not_missed(seen: Seen) -> None:
    seen.client.fire(EventType.CHANGED, PATHS.crumb)
    seen.client.answer("get", PATHS.lock, held(5))
    seen.lock_freed()
    seen.client.answer("get", PATHS.crumb, crumb(2, clean=True))
    seen.client.answer("exists", PATHS.lock, None)
    seen.client.answer("get", PATHS.crumb, crumb(2, clean=True))
    assert seen.told() == [(None, 2)]


def test_an_event_before_the_answer_is_covered_by_it(seen: Seen) -> None:
    seen.client.fire(EventType.CHANGED, PATHS.crumb)
    seen.lock_freed()
    seen.client.answer("get", PATHS.lock, FREE)
    seen.client.answer("get", PATHS.crumb, crumb(2, clean=True))
    assert seen.told() == []  # `get` leaves no watch where nothing is: `exists` must
    seen.client.answer("exists", PATHS.lock, None)
    seen.client.answer("get", PATHS.crumb, crumb(2, clean=True))
    assert seen.told() == [(None, 2)]
    assert seen.client.calls == []


def test_what_has_not_changed_is_not_told_again(seen: Seen) -> None:
    seen.client.fire(EventType.CHANGED, PATHS.crumb)
    seen.client.answer("get", PATHS.lock, held(5))
    seen.client.answer("get", PATHS.crumb, crumb(1, clean=False))
    assert seen.events == []


def test_after_a_reconnection_the_lock_is_told_in_any_case(seen: Seen) -> None:
    seen.watching.read_all()
    seen.client.answer("get", PATHS.control, CONTROL)
    seen.client.answer("names", PATHS.members, [])
    seen.client.answer("get", PATHS.lock, held(5))
    seen.client.answer("get", PATHS.crumb, crumb(1, clean=False))
    assert seen.events == [LockSeen("1a", Lock(5, "7", "db1"), seen.events[0].crumb)]  # type: ignore[attr-defined]


def test_a_reading_cut_short_by_a_lost_connection_tells_nothing(seen: Seen) -> None:
    seen.lock_freed()
    seen.client.answer("exists", PATHS.lock, ConnectionLoss())
    seen.client.answer("get", PATHS.crumb, ConnectionLoss())
    assert seen.events == []
    assert seen.client.calls == []


def test_the_first_breadcrumb_is_awaited(seen: Seen) -> None:
    seen.lock_freed()
    seen.client.answer("exists", PATHS.lock, None)
    seen.client.answer("get", PATHS.crumb, FREE)
    assert seen.told() == [(None, -1)]
    seen.client.answer("exists", PATHS.crumb, None)
    seen.client.fire(EventType.CREATED, PATHS.crumb)
    seen.client.answer("exists", PATHS.lock, None)
    seen.client.answer("get", PATHS.crumb, crumb(0, clean=False))
    assert seen.told() == [(None, -1), (None, 0)]
