"""What every store promises, the simulated one included. Each store's test module runs it in a world of its own.

The rules are the design's: S2 (claims), S4 (unknown), S6 (renewal), S9 (names).
"""

from collections.abc import Callable
from dataclasses import replace

import pytest

from failover.core.effects import OpenSession, TakeLock
from failover.core.events import (
    ControlChanged,
    LockSeen,
    MembersChanged,
    SessionEnded,
    SessionOpened,
    SessionRefused,
    TakeOutcome,
    WriteOutcome,
)
from failover.core.values import Control, Health, Lock, Member, Node, Pause, Role, Switchover
from failover.ports.store import FormatError, SavedSession
from failover.stores.fields import LARGEST_RECORD
from tests.stores.players import Player, World

MakePlayer = Callable[..., Player]


@pytest.fixture
def player(world: World) -> MakePlayer:
    """Makes players in this test's world."""
    return lambda name, machine_id="": Player(world, name, machine_id)


@pytest.fixture
def db1(player: MakePlayer) -> Player:
    return player("db1").open()


@pytest.fixture
def db2(player: MakePlayer) -> Player:
    return player("db2").open()


class WrittenContract:
    """What stores promise that write records down as bytes; the simulated one has no need to."""

    def test_a_record_too_large_to_be_read_back_is_refused_in_words(self, db1: Player) -> None:
        """What a later version left in a record is kept; with our own fields it may be more than can be read."""
        taken, much = db1.win(), {"later": "x" * LARGEST_RECORD}
        claimed = db1.claim(taken, record=replace(db1.claim_asked(taken).record, extra=much))
        assert (claimed.outcome, "too large" in claimed.detail) == (WriteOutcome.UNKNOWN, True)
        written = db1.write_control(Control(version=0, extra=much))
        assert (written.outcome, "too large" in written.detail) == (WriteOutcome.UNKNOWN, True)
        assert db1.claim(taken).outcome is WriteOutcome.DONE


class StoreContract:
    """Subclasses bring the `world` fixture."""

    # --- opening: S9 ----------------------------------------------------------------------------

    def test_an_opened_session_shows_members_control_and_then_the_free_lock(self, db1: Player) -> None:
        opened = db1.opened
        assert opened is not None
        assert [member.node for member in opened.members] == [db1.node]
        assert opened.members[0].session == opened.session.id
        assert opened.session.timeout_s > 0
        assert opened.control.version == 0
        assert not opened.control.error
        assert db1.seen(LockSeen)[0].holder is None

    def test_the_name_of_a_living_controller_on_another_machine_is_refused(
        self, player: MakePlayer, db1: Player
    ) -> None:
        event = player("db1", machine_id="a clone").open_anyhow()
        assert isinstance(event, SessionRefused)  # S9
        assert event.exit_code == 1
        assert "another controller is called db1" in event.reason
        assert [member.node for member in db1.view().members] == [db1.node]

    def test_an_earlier_session_of_the_same_machine_is_waited_for(
        self, world: World, player: MakePlayer, db1: Player
    ) -> None:
        successor, answers = player("db1"), list[object]()
        ask_open(successor, answers)
        world.until(lambda: len(db1.view().members) == 1, "the old record is still there")
        assert answers == []
        world.kill(db1)
        world.until(lambda: answers, "the successor may join", within_s=30.0)
        assert isinstance(answers[0], SessionOpened)

    # --- the race -------------------------------------------------------------------------------

    def test_of_many_racers_exactly_one_wins(self, world: World, player: MakePlayer) -> None:
        racers = [player(f"db{number}").open() for number in range(5)]
        answers: list[object] = []
        for racer in racers:
            ask_take(racer, answers)
        world.until(lambda: len(answers) == 5, "all are answered")
        outcomes = [answer.outcome for answer in answers]  # type: ignore[attr-defined]
        assert sorted(outcomes) == [TakeOutcome.HELD] * 4 + [TakeOutcome.WON]
        locks = {answer.lock for answer in answers}  # type: ignore[attr-defined]
        assert len(locks) == 1
        assert racers[0].view().holder in locks

    def test_taking_twice_wins_the_same_lock(self, db1: Player) -> None:
        assert db1.win().lock == db1.win().lock

    def test_a_lock_refused_names_its_holder_and_the_breadcrumb(self, db1: Player, db2: Player) -> None:
        lock, crumb = db1.become_active()
        taken = db2.take()
        assert taken.outcome is TakeOutcome.HELD
        assert taken.lock == lock
        assert lock.node == "db1"
        assert lock.session == db1.session
        assert taken.crumb == crumb

    def test_each_lock_has_a_higher_number(self, db1: Player, db2: Player) -> None:
        first, crumb = db1.become_active()
        db1.hand_over(first, crumb)
        second, crumb = db2.become_active()
        db2.hand_over(second, crumb)
        third = db1.win().lock
        assert third is not None
        assert first.czxid < second.czxid < third.czxid

    def test_an_order_given_meanwhile_stops_the_race(self, db1: Player, db2: Player) -> None:
        db2.write_control(Control(version=0, pause=Pause("op", "maintenance")))
        taken = db1.take(control_version=0)
        assert taken.outcome is TakeOutcome.CONTROL
        assert taken.control is not None
        assert taken.control.pause == Pause("op", "maintenance")
        assert db2.view().holder is None
        assert db1.take(control_version=taken.control.version).outcome is TakeOutcome.WON

    def test_a_foreign_session_gets_nothing(self, db1: Player, db2: Player) -> None:
        lock, crumb = db1.become_active()  # S2
        assert db2.take(session=db1.session).outcome is TakeOutcome.GONE
        taken = db2.take()
        assert db2.claim(taken, session=db1.session).outcome is WriteOutcome.GONE
        assert db2.hand_over(lock, crumb, session=db1.session).outcome is WriteOutcome.GONE
        assert db2.renew(lock, session=db1.session).outcome is WriteOutcome.GONE
        assert db1.view().crumb == crumb

    def test_a_lock_that_another_session_holds_can_be_neither_claimed_nor_handed_over(
        self, db1: Player, db2: Player
    ) -> None:
        lock, crumb = db1.become_active()  # S2
        stolen = replace(lock, session=db2.session, czxid=lock.czxid + 1000)
        assert db1.renew(stolen).outcome is WriteOutcome.GONE
        assert db1.hand_over(stolen, crumb).outcome is WriteOutcome.GONE
        assert db1.view().holder == lock
        assert db1.view().crumb == crumb

    # --- the breadcrumb -------------------------------------------------------------------------

    def test_the_first_claim_creates_the_breadcrumb(self, db1: Player, db2: Player) -> None:
        taken = db1.win()
        assert taken.crumb.record is None
        assert taken.crumb.version == -1
        claimed = db1.claim(taken)
        assert claimed.outcome is WriteOutcome.DONE
        crumb = db2.view().crumb
        assert crumb.record == claimed.crumb.record
        assert crumb.version == claimed.version
        assert crumb.record is not None
        assert crumb.record.node == db1.node
        assert crumb.record.facts == {"bmc": "10.0.0.9"}

    def test_a_claim_on_another_version_conflicts_and_shows_what_is_there(self, db1: Player) -> None:
        taken = db1.win()
        first = db1.claim(taken)
        again = db1.claim(taken)  # S2: still on the version read before
        assert again.outcome is WriteOutcome.CONFLICT
        assert again.crumb.version == first.version
        assert again.crumb.record == first.crumb.record
        assert db1.claim(replace(taken, crumb=again.crumb)).outcome is WriteOutcome.DONE

    def test_unknown_fields_of_a_breadcrumb_are_kept(self, db1: Player, db2: Player) -> None:
        taken = db1.win()
        ask = db1.claim_asked(taken)
        extra = {"from_the_future": {"deep": [1, 2]}}
        claimed = db1.claim(taken, record=replace(ask.record, extra=extra))
        assert taken.lock is not None
        db1.hand_over(taken.lock, claimed.crumb)
        crumb = db2.win().crumb
        assert crumb.record is not None
        assert crumb.record.extra == extra
        assert crumb.record.clean

    def test_an_unreadable_breadcrumb_is_told_and_never_overwritten(
        self, world: World, db1: Player, db2: Player
    ) -> None:
        lock, crumb = db1.become_active()
        world.spoil("breadcrumb")
        world.until(lambda: db2.seen(LockSeen)[-1].crumb.error, "the standby is told")
        spoilt = db2.seen(LockSeen)[-1].crumb
        assert spoilt.record is None
        assert "ActiveBreadCrumb" in spoilt.error
        taken = db1.win()
        assert taken.crumb.error == spoilt.error
        claimed = db1.claim(taken)
        assert claimed.outcome is WriteOutcome.CONFLICT
        assert claimed.crumb.error == spoilt.error
        handed = db1.hand_over(lock, replace(crumb, version=spoilt.version))
        assert handed.outcome is WriteOutcome.CONFLICT
        assert db2.view().crumb.error == spoilt.error

    def test_a_lock_whose_record_is_unreadable_is_held_all_the_same(
        self, world: World, db1: Player, db2: Player
    ) -> None:
        db1.win()
        world.spoil("lock")
        taken = db2.take()
        assert taken.outcome is TakeOutcome.HELD
        assert taken.lock is not None
        assert taken.lock.node == ""

    # --- hand-over ------------------------------------------------------------------------------

    def test_a_hand_over_frees_the_lock_marks_the_breadcrumb_and_wakes_the_standby(
        self, world: World, db1: Player, db2: Player
    ) -> None:
        lock, crumb = db1.become_active()
        world.until(lambda: db2.holder() == lock, "the standby sees the holder")
        handed = db1.hand_over(lock, crumb)
        assert handed.outcome is WriteOutcome.DONE
        world.until(lambda: db2.holder() is None, "the standby sees the free lock")
        seen = db2.seen(LockSeen)[-1]
        assert seen.crumb.version == handed.version
        assert seen.crumb.record is not None
        assert seen.crumb.record.clean
        taken = db2.win()
        assert taken.crumb == seen.crumb

    def test_a_hand_over_of_another_version_keeps_lock_and_breadcrumb(self, db1: Player) -> None:
        lock, crumb = db1.become_active()
        outcome = db1.hand_over(lock, replace(crumb, version=crumb.version + 5)).outcome
        assert outcome is WriteOutcome.CONFLICT
        assert db1.view().holder == lock
        assert db1.view().crumb == crumb

    def test_a_lock_handed_over_cannot_be_handed_over_again(self, db1: Player, db2: Player) -> None:
        lock, crumb = db1.become_active()
        handed = db1.hand_over(lock, crumb)
        db2.become_active()
        again = db1.hand_over(lock, replace(crumb, version=handed.version + 1))
        assert again.outcome is WriteOutcome.GONE
        holder = db2.view().holder
        assert holder is not None
        assert holder.session == db2.session

    # --- closing, dying -------------------------------------------------------------------------

    def test_closing_a_session_frees_its_lock_and_wakes_the_standby(
        self, world: World, db1: Player, db2: Player
    ) -> None:
        lock, crumb = db1.become_active()
        world.until(lambda: db2.holder() == lock, "the standby sees the holder")
        assert db1.close().done
        world.until(lambda: db2.holder() is None, "the standby sees the free lock")
        world.until(lambda: len(db2.members()) == 1, "the member is gone")
        assert db2.seen(LockSeen)[-1].crumb == crumb  # S3: not clean
        assert db1.take().outcome is TakeOutcome.GONE
        assert db1.seen(SessionEnded) == []
        assert db1.close().done

    def test_a_killed_holder_loses_lock_and_member_record(self, world: World, db1: Player, db2: Player) -> None:
        lock, _ = db1.become_active()
        world.until(lambda: db2.holder() == lock, "the standby sees the holder")
        world.kill(db1)
        world.until(lambda: db2.holder() is None, "the standby sees the free lock", 30.0)
        world.until(lambda: len(db2.members()) == 1, "the member is gone")
        assert db2.win().lock != lock

    def test_a_session_can_be_opened_anew(self, world: World, db1: Player) -> None:
        old = db1.session
        db1.close()
        db1.open()
        assert db1.session != old
        assert db1.win().lock is not None

    # --- re-attaching: adoption -----------------------------------------------------------------

    def test_a_session_is_taken_over_with_its_lock_or_not_at_all(
        self, world: World, player: MakePlayer, db1: Player, db2: Player
    ) -> None:
        lock, crumb = db1.become_active()
        if not db1.store.traits.survives_restart:
            assert db1.store.session_secret(db1.session) is None
            refused = player("db1").reattach(SavedSession(db1.session, "00"))
            assert refused.session is None
            assert refused.detail
            return
        saved = db1.saved()
        assert saved.secret not in repr(saved)
        db1.store.shut_down()
        successor = player("db1")
        taken = successor.reattach(saved)
        assert taken.session is not None
        assert taken.session.id == saved.id
        assert taken.session.timeout_s > 0
        assert taken.sent_s > 0
        assert (taken.lock, taken.crumb) == (lock, crumb)
        assert [member.node for member in taken.members] == [db1.node, db2.node]
        assert taken.control.version == 0
        assert successor.saved() == saved
        assert successor.holder() == lock
        assert db2.holder() == lock, "the lock was never free"
        assert successor.renew(lock).proven
        assert successor.hand_over(lock, crumb).outcome is WriteOutcome.DONE
        world.until(lambda: db2.holder() is None, "the standby sees the lock go")

    def test_a_standby_s_session_is_taken_over_and_goes_on_telling(
        self, world: World, player: MakePlayer, db1: Player, db2: Player
    ) -> None:
        if not db2.store.traits.survives_restart:
            return
        lock, crumb = db1.become_active()
        saved = db2.saved()
        db2.store.shut_down()
        successor = player("db2")
        taken = successor.reattach(saved)
        assert taken.session is not None
        assert taken.lock is None, "the lock is another's"
        assert taken.crumb == crumb
        successor.publish()
        world.until(lambda: db1.members()[-1].role is Role.STANDBY, "what the successor publishes is seen")
        db1.hand_over(lock, crumb)
        world.until(lambda: successor.holder() is None, "it hears of the free lock")
        assert successor.win().lock != lock

    def test_a_session_that_has_ended_is_not_taken_over_and_another_can_be_opened(
        self, world: World, player: MakePlayer, db1: Player
    ) -> None:
        if not db1.store.traits.survives_restart:
            return
        db1.become_active()
        saved = db1.saved()
        world.kill(db1)
        successor = player("db1")
        refused = successor.reattach(saved)
        assert refused.session is None
        assert refused.detail
        assert successor.store.session_secret(saved.id) is None
        assert successor.open().session != saved.id

    def test_a_wrong_secret_takes_nothing_over(self, world: World, player: MakePlayer, db1: Player) -> None:
        if not db1.store.traits.survives_restart:
            return
        lock, _ = db1.become_active()
        refused = player("db1").reattach(replace(db1.saved(), secret="0f" * 16))
        assert refused.session is None
        world.until(lambda: db1.renew(lock).proven, "db1 still has it, at most its connection was dropped")

    # --- renewal: S6 ----------------------------------------------------------------------------

    def test_a_renewal_proves_the_lock_that_was_won(self, db1: Player) -> None:
        lock, _ = db1.become_active()
        renewal = db1.renew(lock)
        assert renewal.proven
        assert renewal.sent_s > 0
        assert db1.renew(lock).sent_s >= renewal.sent_s

    def test_a_renewal_proves_nothing_without_the_lock(self, db1: Player, db2: Player) -> None:
        lock, crumb = db1.become_active()
        assert db2.renew(lock).outcome is WriteOutcome.GONE
        assert db1.renew(Lock(lock.czxid + 1, db1.session, "db1")).outcome is WriteOutcome.GONE
        db1.hand_over(lock, crumb)
        assert db1.renew(lock).outcome is WriteOutcome.GONE

    def test_renewals_are_not_seen_by_the_standbys(self, world: World, db1: Player, db2: Player) -> None:
        lock, crumb = db1.become_active()
        world.until(lambda: db2.seen(LockSeen)[-1].crumb == crumb, "the standby sees the claim")
        before = list(db2.events)
        for _ in range(5):
            assert db1.renew(lock).proven
        db2.view()
        assert db2.events == before

    # --- the store is away ----------------------------------------------------------------------

    def test_every_question_asked_while_the_store_is_away_is_unknown(self, world: World, db1: Player) -> None:
        lock, crumb = db1.become_active()
        world.take_away(db1)  # S4, S5
        assert db1.take().outcome is TakeOutcome.UNKNOWN
        taken = replace(db1.take(), lock=lock, crumb=crumb)
        assert db1.claim(taken).outcome is WriteOutcome.UNKNOWN
        assert db1.hand_over(lock, crumb).outcome is WriteOutcome.UNKNOWN
        assert db1.renew(lock).outcome is WriteOutcome.UNKNOWN
        assert db1.write_control(Control(version=0)).outcome is WriteOutcome.UNKNOWN
        assert db1.answer_to(db1.store.read_history) is None
        assert db1.answer_to(db1.store.read_view) is None
        world.bring_back(db1)
        world.until(lambda: db1.renew(lock).proven, "the lock is proven again")
        assert db1.view().crumb == crumb

    # --- members and control --------------------------------------------------------------------

    def test_members_come_and_go_and_change(self, world: World, player: MakePlayer, db1: Player) -> None:
        db2 = player("db2").open(priority=7)
        world.until(lambda: len(db1.members()) == 2, "the new member is seen")
        assert db1.members()[1].priority == 7
        assert db1.members()[1].session == db2.session
        db2.publish(role=Role.STANDBY, health=Health.HEALTHY, position=42, why="ready")
        world.until(lambda: db1.members()[-1].position == 42, "its new record is seen")
        member = db1.members()[1]
        assert (member.role, member.health, member.why) == (Role.STANDBY, Health.HEALTHY, "ready")
        assert member.session == db2.session
        db2.close()
        world.until(lambda: len(db1.members()) == 1, "it is gone")

    def test_of_many_records_published_the_newest_is_seen_last(self, world: World, db1: Player, db2: Player) -> None:
        for position in range(50):
            db2.publish(position=position)
        world.until(lambda: db1.members()[-1].position == 49, "the newest is seen")
        positions = [event.members[-1].position for event in db1.seen(MembersChanged)]
        known = [position for position in positions if position is not None]
        assert known == sorted(known)

    def test_control_is_written_by_compare_and_set_and_told_to_all(
        self, world: World, db1: Player, db2: Player
    ) -> None:
        order = Switchover("1", "db1", "db2", 7, "upgrade", "op", "2024-01-01T00:00:00Z")
        control = Control(0, Pause("op", "why"), frozenset({"db3"}), order, extra={"new": [1]})
        written = db1.write_control(control)
        assert written.outcome is WriteOutcome.DONE
        assert written.control == replace(control, version=1)
        for player in (db1, db2):
            world.until(lambda seen=player: seen.seen(ControlChanged), "everybody is told")  # type: ignore[misc]
            assert player.seen(ControlChanged)[-1].control == written.control
        late = db2.write_control(Control(version=0))
        assert late.outcome is WriteOutcome.CONFLICT
        assert late.control == written.control

    def test_an_unreadable_control_record_is_told_and_never_overwritten(self, world: World, db1: Player) -> None:
        world.spoil("control")
        world.until(lambda: db1.seen(ControlChanged), "it is told")
        control = db1.seen(ControlChanged)[-1].control
        assert "control" in control.error
        written = db1.write_control(replace(control, error=""))
        assert written.outcome is WriteOutcome.CONFLICT
        assert written.control == control

    # --- history and view -----------------------------------------------------------------------

    def test_history_keeps_its_order_and_its_bound(self, world: World, db1: Player) -> None:
        for first in range(0, 240, 8):
            db1.store.append_history([{"number": first + more} for more in range(8)])
            last = first + 7
            world.until(lambda last=last: tail(db1) == last, "the entries are kept")  # type: ignore[misc]
        numbers = [entry["number"] for entry in db1.history()]
        assert 150 < len(numbers) <= 200
        assert numbers == list(range(240 - len(numbers), 240))

    def test_the_view_needs_no_session(self, player: MakePlayer, db1: Player) -> None:
        lock, crumb = db1.become_active()
        onlooker = player("onlooker")
        view = onlooker.view()
        assert view.holder == lock
        assert view.crumb == crumb
        assert [member.node for member in view.members] == [db1.node]
        assert onlooker.history() == []
        paused = onlooker.write_control(replace(view.control, pause=Pause("op", "why")))
        assert paused.outcome is WriteOutcome.DONE

    # --- format ---------------------------------------------------------------------------------

    def test_formatting_again_changes_nothing(self, world: World, db1: Player) -> None:
        db1.write_control(Control(version=0, drained=frozenset({"db9"})))
        world.store(Node("operator", "x")).format()
        assert db1.view().control.drained == {"db9"}

    def test_format_refuses_a_live_lock_and_a_breadcrumb_that_is_not_clean(self, world: World, db1: Player) -> None:
        _, crumb = db1.become_active()
        operator = world.store(Node("operator", "x"))
        with pytest.raises(FormatError) as live:
            operator.format(force_name="db1")
        assert live.value.exit_code == 2
        db1.close()
        with pytest.raises(FormatError, match="db1") as dirty:
            operator.format()
        assert dirty.value.exit_code == 2
        with pytest.raises(FormatError):
            operator.format(force_name="db2")
        operator.format(force_name="db1")
        db1.open()
        found = db1.win().crumb
        assert found.version == crumb.version + 1
        assert found.record is not None
        assert found.record.clean

    def test_after_shut_down_every_question_is_still_answered(self, world: World, db1: Player) -> None:
        lock, _ = db1.become_active()
        db1.store.shut_down()
        assert db1.take().outcome in (TakeOutcome.GONE, TakeOutcome.UNKNOWN)
        assert not db1.renew(lock).proven
        told = len(db1.events)
        world.kill(db1)
        assert len(db1.events) == told

    # --- neighbours -----------------------------------------------------------------------------

    def test_other_services_under_the_same_root_show_who_is_active_there(self, world: World, db1: Player) -> None:
        """A power fence takes everything on that machine: `fence plan` says whom."""
        assert db1.answer_to(db1.store.read_neighbours) == ()
        db1.become_active()
        other = Player(world, "host-1", db1.node.machine_id, "mail/box").open()
        lock, crumb = other.become_active()
        (seen,) = db1.answer_to(db1.store.read_neighbours)
        assert (seen.service, seen.holder, seen.crumb) == ("mail/box", lock, crumb)
        assert seen.crumb.record.node.machine_id == db1.node.machine_id

    def test_without_the_store_nothing_is_known_of_neighbours(self, world: World, db1: Player) -> None:
        world.take_away(db1)
        assert db1.answer_to(db1.store.read_neighbours) is None
        world.bring_back(db1)


def tail(player: Player) -> object:
    entries = player.history()
    return entries[-1]["number"] if entries else None


def ask_open(player: Player, answers: list[object]) -> None:
    player.store.open(OpenSession(Member(player.node)), answers.append)


def ask_take(player: Player, answers: list[object]) -> None:
    player.store.take(TakeLock(1, player.session, 0), answers.append)
