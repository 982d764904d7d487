"""A small world around one controller: a truthful store, peers that come and go, and a service that may fail.

What happens next is chosen by the test: at random and hostile, or well-meaning. Nothing here runs at the same time.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace

from failover.core import events as happened
from failover.core.effects import (
    Cancel,
    Claim,
    CloseSession,
    Demote,
    Effect,
    Fence,
    Follow,
    HandOver,
    OpenSession,
    Promote,
    Question,
    StopProcess,
    TakeLock,
)
from failover.core.events import TakeOutcome, WriteOutcome
from failover.core.state import State
from failover.core.step import Step, step
from failover.core.values import (
    Breadcrumb,
    Confirmation,
    Control,
    Crumb,
    Health,
    Lock,
    Member,
    Pause,
    Role,
    ServiceRole,
    Session,
    Settings,
    Switchover,
    Verdict,
)
from tests.core.words import identity, node

PEERS = ("db2", "db3")


class World:
    """One controller, db1, and everything around it. `kind` True: whatever is asked for succeeds."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.kind = False
        flags = {name: self.chance.random() < 0.5 for name in ("step_down", "standby_stopped", "has_follow")}
        self.state = State(identity("db1"), Settings(**flags))  # type: ignore[arg-type]
        self.number = 10
        self.owed: Question | None = None
        self.opening = False
        self.adopting = False
        self.closing: list[str] = []
        self.sessions: set[str] = set()
        self.lock: Lock | None = None
        self.crumb = Crumb()
        self.control = Control(version=1)
        self.ended: StopProcess | None = None
        self.trail: list[str] = []

    def next_number(self) -> int:
        """The store's next number."""
        self.number += 1
        return self.number

    def start(self) -> None:
        """The controller starts, with or without a session to re-attach."""
        self.adopting = self.chance.random() < 0.4
        self.take(happened.Started(self.any_service(), 0, self.adopting))
        self.opening = True

    # --- steps ----------------------------------------------------------------------------------

    def take(self, event: happened.Event) -> Step:
        """One step, and what the world makes of its effects."""
        before = self.state
        self.trail.append(f"{before.role.value}: {event}")
        result = step(before, event)
        self.state = result.state
        if isinstance(event, happened.Answer) and not result.stale:
            self.owed = None
        for effect in result.effects:
            self._note(effect)
        return result

    def _note(self, effect: Effect) -> None:
        if isinstance(effect, Question):
            assert self.owed is None, f"{effect} while {self.owed} is not answered"
            self.owed = effect
        elif isinstance(effect, Cancel):
            assert self.owed is not None
            assert self.owed.attempt == effect.attempt
            self._may_land(self.owed)
            self.owed = None
        elif isinstance(effect, OpenSession):
            assert not self.opening, "two sessions are asked for"
            self.opening = True
        elif isinstance(effect, CloseSession):
            self._free(effect.session)
            self.closing.append(effect.session)
        elif isinstance(effect, StopProcess):
            self.ended = effect

    def _may_land(self, question: Question) -> None:
        """A transaction that was given up may happen all the same."""
        if self.chance.random() < 0.5:
            self._transact(question)

    def _free(self, session: str) -> None:
        self.sessions.discard(session)
        if self.lock is not None and self.lock.session == session:
            self.lock = None

    # --- the store ------------------------------------------------------------------------------

    def _transact(self, question: Question) -> happened.Answer | None:
        """What a store does that is asked; None: that question is not for a store."""
        if isinstance(question, TakeLock):
            return self._take_lock(question)
        if isinstance(question, Claim):
            return self._claim(question)
        if isinstance(question, HandOver):
            return self._hand_over(question)
        return None

    def _take_lock(self, ask: TakeLock) -> happened.LockTaken:
        if ask.session not in self.sessions:
            return happened.LockTaken(ask.attempt, TakeOutcome.GONE)
        if self.control.version != ask.control_version:
            return happened.LockTaken(ask.attempt, TakeOutcome.CONTROL, control=self.control)
        if self.lock is not None:
            return happened.LockTaken(ask.attempt, TakeOutcome.HELD, self.lock)
        self.lock = Lock(self.next_number(), ask.session, "db1")
        return happened.LockTaken(ask.attempt, TakeOutcome.WON, self.lock, self.crumb)

    def _claim(self, ask: Claim) -> happened.Claimed:
        if self.lock != ask.lock or ask.session not in self.sessions:
            return happened.Claimed(ask.attempt, ask.epoch, WriteOutcome.GONE)
        if self.crumb.version != ask.version:
            return happened.Claimed(ask.attempt, ask.epoch, WriteOutcome.CONFLICT, crumb=self.crumb)
        self.crumb = Crumb(ask.record, self.next_number())
        return happened.Claimed(ask.attempt, ask.epoch, WriteOutcome.DONE, self.crumb.version)

    def _hand_over(self, ask: HandOver) -> happened.HandedOver:
        if self.lock != ask.lock or ask.session not in self.sessions:
            return happened.HandedOver(ask.attempt, WriteOutcome.GONE)
        if self.crumb.version != ask.version:
            return happened.HandedOver(ask.attempt, WriteOutcome.CONFLICT)
        self.crumb, self.lock = Crumb(ask.record, self.next_number()), None
        return happened.HandedOver(ask.attempt, WriteOutcome.DONE, self.crumb.version)

    def peers_turn(self) -> None:
        """A peer wins the lock, or lets it go, having written the breadcrumb."""
        if self.lock is None:
            name, epoch = self.chance.choice(PEERS), self.next_number()
            self.lock = Lock(epoch, f"session-of-{name}", name)
            record = Breadcrumb(node(name), epoch, f"boot-of-{name}", clean=self.chance.random() < 0.3)
            self.crumb = Crumb(record, self.next_number())
        elif self.lock.node != "db1":
            self.lock = None

    # --- answers --------------------------------------------------------------------------------

    def answer(self) -> None:
        """Answer what is owed."""
        question = self.owed
        assert question is not None
        verdict = Verdict.DONE if self.kind else self.chance.choice(list(Verdict))
        if isinstance(question, Promote):
            self.take(happened.Promoted(question.attempt, question.epoch, verdict))
        elif isinstance(question, Demote):
            self.take(happened.Demoted(question.attempt, verdict))
        elif isinstance(question, Follow):
            self.take(happened.Followed(question.attempt, question.epoch, verdict))
        elif isinstance(question, Fence):
            self.take(happened.Fenced(question.attempt, question.epoch, verdict, "power"))
        else:
            self._answer_for_the_store(question)

    def _answer_for_the_store(self, question: Question) -> None:
        lost = not self.kind and self.chance.random() < 0.3
        happens = not lost or self.chance.random() < 0.5
        answer = self._transact(question) if happens else None
        event = question.unanswered() if lost or answer is None else answer
        self.take(event)

    def open_session(self) -> None:
        """The store opens a session, re-attaches one, or refuses."""
        self.opening = False
        session = Session(f"s{self.next_number()}", 6.0)
        self.sessions.add(session.id)
        adopting, self.adopting = self.adopting, False
        if not self.kind and self.chance.random() < 0.05:
            self.take(happened.SessionRefused("the name is taken", 4))
        elif adopting and self.chance.random() < 0.7:
            self._adopt(session)
        else:
            self.take(happened.SessionOpened(session, self.control, self.any_members()))

    def _adopt(self, session: Session) -> None:
        if self.lock is None and self.chance.random() < 0.7:
            self.lock = Lock(self.next_number(), session.id, "db1")
            if self.chance.random() < 0.7:
                me = self.state.identity
                record = Breadcrumb(me.node, self.lock.czxid, me.boot_id)
                self.crumb = Crumb(record, self.next_number())
        lock = self.lock if self.lock is not None and self.lock.session == session.id else None
        epoch = self.crumb.record.epoch if self.crumb.record else 0
        trusted, reported = self.chance.random() < 0.7, self.any_service()
        self.take(
            happened.SessionAdopted(
                session, self.control, self.any_members(), lock, self.crumb, epoch, trusted, reported
            )
        )

    # --- what else may happen -------------------------------------------------------------------

    def any_service(self) -> ServiceRole:
        """What the service may say."""
        return ServiceRole.STANDBY if self.kind else self.chance.choice(list(ServiceRole))

    def ended_epoch(self) -> int:
        """What a member that has rebooted since would say of the breadcrumb."""
        record = self.state.crumb.record
        return record.epoch if record is not None else 0

    def any_members(self) -> tuple[Member, ...]:
        """Who may be there."""
        return tuple(
            Member(
                node(name),
                f"session-of-{name}",
                self.chance.choice([Role.STANDBY, Role.OUT, Role.ACTIVE, Role.CAMPAIGNING]),
                self.chance.choice(list(Health)),
                epoch=self.number if self.lock is not None and self.lock.node == name else 0,
                boot_id=self.chance.choice([f"boot-of-{name}", "second-boot"]),
                position=self.chance.choice([None, 1, 9]),
                settled=self.chance.random() < 0.5,
                ended=self.chance.choice([0, self.ended_epoch()]),
                impaired=self.chance.choice([0, 0, 2]),
            )
            for name in PEERS
            if not self.kind and self.chance.random() < 0.7
        )

    def any_control(self) -> Control:
        """What operators may order."""
        epoch = self.chance.choice([self.state.epoch, self.state.epoch, 3, self.number])
        source, target = self.chance.choice(["db1", "db2"]), self.chance.choice(["db1", "db2", None])
        order = Switchover("o1", source, target, epoch)
        return replace(
            self.control,
            version=self.next_number(),
            pause=Pause("ops", "work") if self.chance.random() < 0.2 else None,
            drained=frozenset({"db1"}) if self.chance.random() < 0.2 else frozenset(),
            switchover=order if self.chance.random() < 0.4 else None,
            error="cannot be read" if self.chance.random() < 0.05 else "",
            confirmed=self.any_confirmation(),
        )

    def any_confirmation(self) -> Confirmation | None:
        """An operator's word, for the breadcrumb as it is or as it was."""
        record = self.crumb.record
        if record is None or self.chance.random() < 0.7:
            return None
        version = self.crumb.version - self.chance.choice([0, 0, 1])
        return Confirmation(record.node, record.epoch, version, "ops", "its plug is pulled")

    def see_lock(self) -> None:
        """The watch shows the lock as it is."""
        if self.state.session is not None:
            self.take(happened.LockSeen(self.state.session.id, self.lock, self.crumb))

    def end_session(self) -> None:
        """The store ends the session."""
        if self.state.session is not None:
            self._free(self.state.session.id)
            self.take(happened.SessionEnded(self.state.session.id))

    def rewrite_breadcrumb(self) -> None:
        """An operator's tool rewrites it as it is: its version moves on."""
        if self.crumb.record is not None:
            self.crumb = Crumb(self.crumb.record, self.next_number())

    def delete_lock(self) -> None:
        """Somebody deletes the lock by hand."""
        self.lock = None

    def order(self) -> None:
        """An operator gives an order."""
        self.control = self.any_control()
        self.take(happened.ControlChanged(self.control))

    def run_out_lease(self) -> None:
        """No renewal was acknowledged in time."""
        if self.state.session is not None and self.state.lock is not None:
            self.take(happened.LeaseRanOut(self.state.session.id, self.chance.choice(["", "", "the guard is gone"])))

    def fire_timer(self) -> None:
        """A timer runs down."""
        if self.state.timers:
            name = self.chance.choice(sorted(self.state.timers))
            self.take(happened.TimerFired(name, self.state.timers[name]))

    def demand(self) -> None:
        """A peer demands a demote."""
        target = node(self.chance.choice(["db1", "db1", "db2"]))
        self.take(happened.DemoteDemanded(f"r{self.next_number()}", target, self.number - 3, "db2"))

    def change_health(self) -> None:
        """The probes say anything at all."""
        health, gone = self.chance.choice(list(Health)), self.chance.random() < 0.2
        self.take(happened.HealthChanged(health, "", gone, self.chance.choice([0, 0, 1])))

    def reload(self) -> None:
        """An operator edits what may change while the controller runs."""
        settings = replace(self.state.settings, priority=self.chance.randrange(3), candidate=self.chance.random() < 0.7)
        self.take(happened.SettingsChanged(settings))

    def anything(self) -> None:
        """One hostile, but truthful, thing."""
        choices: list[Callable[[], object]] = [
            self.see_lock,
            self.peers_turn,
            self.fire_timer,
            self.change_health,
            lambda: self.take(happened.RoleReported(self.any_service(), self.state.attempt)),
            lambda: self.take(happened.MembersChanged(self.any_members())),
            lambda: self.take(happened.ProofsChanged(dict.fromkeys(self.chance.choice([[], PEERS]), "lately"))),
            lambda: self.take(happened.StandingReported(self.chance.choice([None, 5]), self.chance.choice(["", "no"]))),
        ]
        rare: list[Callable[[], object]] = [
            self.end_session,
            self.order,
            self.run_out_lease,
            self.demand,
            self.delete_lock,
            self.rewrite_breadcrumb,
        ]
        rare += [
            lambda: self.take(happened.ConnectionLost()),
            lambda: self.take(happened.ConnectionRestored()),
            lambda: self.take(happened.ForceOrdered("ops")),
            lambda: self.take(happened.StopRequested(self.chance.random() < 0.3, self.chance.random() < 0.3)),
            self.reload,
        ]
        if self.owed is not None:
            choices += [self.answer] * 12
        if self.closing:
            choices += [self.close_one] * 8
        elif self.opening:
            choices += [self.open_session] * 8
        self.chance.choice(rare if self.chance.random() < 0.12 else choices)()

    def close_one(self) -> None:
        """A session that was closed is acknowledged, or not."""
        self.take(happened.SessionClosed(self.closing.pop(0), self.chance.random() < 0.9))

    def what_is_owed(self) -> bool:
        """Do one thing that the world owes; False: it owes nothing."""
        if self.owed is not None:
            self.answer()
        elif self.closing:
            self.close_one()
        elif self.opening:
            self.open_session()
        else:
            return False
        return True
