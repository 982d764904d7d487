"""The simulated store: the contract, and the faults that it is made for."""

import random
from collections.abc import Callable

import pytest

from failover.core.events import (
    ConnectionLost,
    ConnectionRestored,
    LockSeen,
    SessionEnded,
    TakeOutcome,
    WriteOutcome,
)
from failover.core.values import Node
from failover.stores.simulated import ManualClock, SimulatedEnsemble, SimulatedStore
from tests.stores.contract import StoreContract, ask_take, db1, db2, player
from tests.stores.players import SERVICE, WITHIN_S, Player

__all__ = ["db1", "db2", "player"]

TIMEOUT_S = 6.0


class SimulatedWorld:
    """A seed, a clock and an ensemble."""

    def __init__(self, seed: int = 1) -> None:
        self.clock = ManualClock(start_s=1000.0)
        self.ensemble = SimulatedEnsemble(self.clock, random.Random(seed), TIMEOUT_S)

    def store(self, node: Node, service: str = SERVICE) -> SimulatedStore:
        return SimulatedStore(self.ensemble if service == SERVICE else self._beside(service), node)

    def _beside(self, service: str) -> SimulatedEnsemble:
        if service not in self.ensemble.beside:
            self.ensemble.beside[service] = SimulatedEnsemble(self.clock, random.Random(1), TIMEOUT_S)
        return self.ensemble.beside[service]

    def until(self, condition: Callable[[], object], what: str, within_s: float = WITHIN_S) -> None:
        deadline = self.clock.now() + within_s
        while not condition():
            due = self.clock.next_due()
            assert due is not None, f"nothing happens any more: {what}"
            assert due <= deadline, f"not within {within_s} s: {what}"
            self.clock.step()

    def kill(self, player: Player) -> None:
        store_of(player).shut_down()
        self.clock.run_until(self.clock.now() + 2 * TIMEOUT_S)

    def take_away(self, player: Player) -> None:
        store_of(player).faults.disconnect(noticed_after_s=0.5)
        self.until(lambda: player.seen(ConnectionLost), "the cut is noticed")

    def bring_back(self, player: Player) -> None:
        store_of(player).faults.reconnect()
        self.until(lambda: player.seen(ConnectionRestored), "the store is back")

    def spoil(self, record: str) -> None:
        if record == "breadcrumb":
            self.ensemble.spoil_breadcrumb()
        elif record == "control":
            self.ensemble.spoil_control()
        else:
            self.ensemble.spoil_lock()


def store_of(player: Player) -> SimulatedStore:
    assert isinstance(player.store, SimulatedStore)
    return player.store


@pytest.fixture
def world() -> SimulatedWorld:
    return SimulatedWorld()


class TestSimulated(StoreContract):
    """The contract."""


def test_a_reply_lost_after_the_write_is_unknown_and_the_lock_is_ours(world: SimulatedWorld, db1: Player) -> None:
    store_of(db1).faults.lose_next_reply = True
    assert db1.take().outcome is TakeOutcome.UNKNOWN
    holder = world.ensemble.records.lock
    assert holder is not None
    assert holder.session == db1.session
    world.until(lambda: db1.seen(ConnectionRestored), "the client is back")
    assert db1.close().done
    assert world.ensemble.records.lock is None


def test_a_cut_off_client_loses_its_session_after_the_time_out_and_hears_of_it_once(
    world: SimulatedWorld, db1: Player, db2: Player
) -> None:
    lock, _ = db1.become_active()
    world.until(lambda: db2.holder() == lock, "seen")
    cut_at = world.clock.now()
    world.take_away(db1)
    world.until(lambda: db2.holder() is None, "the lock is free", 3 * TIMEOUT_S)
    assert world.clock.now() - cut_at >= TIMEOUT_S * 2 / 3
    assert db1.seen(SessionEnded) == []
    store_of(db1).faults.reconnect()
    world.until(lambda: db1.seen(SessionEnded), "it hears")
    world.clock.run_until(world.clock.now() + 60)
    assert [event.session for event in db1.seen(SessionEnded)] == [db1.session]


def test_a_session_never_expires_earlier_than_its_time_out_after_an_acknowledged_renewal() -> None:
    for seed in range(200):
        world = SimulatedWorld(seed)
        db1 = Player(world, "db1").open()
        lock, _ = db1.become_active()
        world.clock.run_until(world.clock.now() + 10 * world.ensemble.rng.random())
        sent_s = db1.renew(lock).sent_s
        world.clock.run_until(world.clock.now() + 3 * world.ensemble.rng.random())
        store_of(db1).faults.disconnect(noticed_after_s=1.0)
        world.until(lambda: world.ensemble.records.lock is None, "expired", 30.0)  # noqa: B023
        assert world.clock.now() >= sent_s + TIMEOUT_S  # S6


def test_a_paused_process_hears_afterwards_what_it_missed(world: SimulatedWorld, db1: Player, db2: Player) -> None:
    lock, _ = db1.become_active()
    world.until(lambda: db2.holder() == lock, "seen")
    store_of(db1).faults.pause()
    world.until(lambda: db2.holder() is None, "the frozen holder lost the lock", 30.0)
    told = len(db1.events)
    world.clock.run_until(world.clock.now() + 60)
    assert len(db1.events) == told
    store_of(db1).faults.resume()
    world.until(lambda: db1.seen(SessionEnded), "it hears that its session is over")


def test_a_short_pause_costs_nothing(world: SimulatedWorld, db1: Player) -> None:
    lock, _ = db1.become_active()
    store_of(db1).faults.pause()
    world.clock.run_until(world.clock.now() + 2.0)
    store_of(db1).faults.resume()
    world.clock.run_until(world.clock.now() + 60.0)
    assert db1.renew(lock).proven
    assert db1.seen(ConnectionLost) == []


def test_a_stale_follower_shows_the_lock_long_after_it_is_gone_but_proves_nothing(
    world: SimulatedWorld, db1: Player, db2: Player
) -> None:
    lock, _ = db1.become_active()
    world.until(lambda: db2.holder() == lock, "seen")
    store_of(db1).faults.go_stale(seconds=30.0)
    world.until(lambda: db2.holder() is None, "the others see it free", 30.0)
    db2.become_active()
    assert db1.view().holder == lock  # S6: a read proves nothing
    answers: list[object] = []
    db1.store.renew(db1.session, lock, answers.append)
    world.until(lambda: answers, "the renewal ends with the connection", 60.0)
    assert answers[0].outcome is WriteOutcome.UNKNOWN  # type: ignore[attr-defined]
    world.until(lambda: db1.seen(SessionEnded), "then it hears the truth")


def test_a_silently_reopened_session_cannot_finish_an_old_thought(world: SimulatedWorld, db1: Player) -> None:
    taken = db1.win()
    claim = db1.claim_asked(taken)
    store_of(db1).reopen_silently(told_after_s=5.0)
    answers: list[object] = []
    db1.store.claim(claim, answers.append)
    world.until(lambda: answers, "answered")
    assert answers[0].outcome is WriteOutcome.GONE  # type: ignore[attr-defined]  # S2
    assert db1.take().outcome is TakeOutcome.GONE
    assert world.ensemble.records.crumb.record is None
    assert db1.seen(SessionEnded) == []
    world.until(lambda: db1.seen(SessionEnded), "it is told in the end")


def test_late_watches_still_tell_the_truth(world: SimulatedWorld, db1: Player, db2: Player) -> None:
    store_of(db2).delay_watches(3.0)
    lock, crumb = db1.become_active()
    started = world.clock.now()
    world.until(lambda: db2.holder() == lock, "seen late")
    assert world.clock.now() - started > 2.9
    db1.hand_over(lock, crumb)
    world.until(lambda: db2.holder() is None, "seen late")


def test_a_request_under_way_when_its_sender_ends_may_still_land(world: SimulatedWorld, db1: Player) -> None:
    faults = store_of(db1).faults
    faults.extra_up_s = 1.0
    answers: list[object] = []
    ask_take(db1, answers)
    db1.store.shut_down()
    world.clock.run_until(world.clock.now() + 2.0)
    assert answers[0].outcome is TakeOutcome.UNKNOWN  # type: ignore[attr-defined]  # S4
    assert world.ensemble.records.lock is not None


def test_the_same_seed_makes_the_same_story() -> None:
    def story(seed: int) -> list[object]:
        world = SimulatedWorld(seed)
        one, two = Player(world, "db1").open(), Player(world, "db2").open()
        lock, crumb = one.become_active()
        world.take_away(one)
        world.clock.run_until(world.clock.now() + 5)
        store_of(one).faults.reconnect()
        world.clock.run_until(world.clock.now() + 60)
        return [world.clock.now(), *one.events, *two.events, lock, crumb]

    assert story(7) == story(7)
    assert story(7) != story(8)


def test_a_deleted_lock_is_seen_gone_by_its_holder(world: SimulatedWorld, db1: Player) -> None:
    lock, _ = db1.become_active()
    world.until(lambda: db1.holder() == lock, "it sees its own")
    world.ensemble.delete_lock()
    world.until(lambda: db1.seen(LockSeen)[-1].holder is None, "gone")
    assert db1.renew(lock).outcome is WriteOutcome.GONE
