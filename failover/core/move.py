"""One turn in the making: a state that is changed field by field, and the effects so far.

The moves that several rows share live here, each a few lines: begin an attempt, open or close the session, rest,
demote, give up, reconsider. Which event leads to which move is the table's business (`rows`).
"""

from __future__ import annotations

from typing import Any

from failover.core.effects import (
    AnswerDemand,
    Cancel,
    CloseSession,
    Demote,
    Effect,
    Follow,
    OpenSession,
    Question,
    SetTimer,
    StopLease,
    StopProcess,
    StopTimer,
    TakeLock,
)
from failover.core.events import TakeOutcome, WriteOutcome
from failover.core.state import (
    State,
    active_member,
    changed,
    holding_back,
    member_of,
    obstacle,
    pause_in_words,
)
from failover.core.values import Role, ServiceRole, Verdict

LONGEST_DOUBLING = 16
GOES_FIRST = {
    "switchover": "the switchover's target goes first",
    "owner": "the last active goes first, it has the newest data",
    "stalled": "this controller was stalled lately, others go first",
    "head_start": "a better candidate goes first",
}


def answered(what: str, answer: Verdict | WriteOutcome | TakeOutcome, detail: str) -> str:
    """How a question ended, in words."""
    return f"{what} answered {answer.value}" + (f": {detail}" if detail else "")


class Move:
    """A turn under construction. `why` None: the row's reason stands."""

    def __init__(self, state: State) -> None:
        self.state = state
        self.effects: list[Effect] = []
        self.why: str | None = None

    def set(self, **changes: Any) -> None:
        """Change fields of the state. Raises BrokenInvariant for a field that it does not have."""
        self.state = changed(self.state, changes)

    def do(self, effect: Effect) -> None:
        """Ask for an effect; a question makes the attempt pending."""
        self.effects.append(effect)
        if isinstance(effect, Question):
            self.set(pending=True)
        elif isinstance(effect, StopProcess):
            self.set(ended=True)

    def become(self, role: Role, why: str) -> None:
        """Change the role and say why."""
        self.why = why
        self.set(role=role, why=why)

    # --- attempts and timers --------------------------------------------------------------------

    def begin_attempt(self) -> int:
        """End the present attempt (S4) and begin the next."""
        if self.state.pending:
            self.do(Cancel(self.state.attempt))
        self.set(attempt=self.state.attempt + 1, pending=False, grounds="", conflicts=0, restarting=False)
        return self.state.attempt

    def set_timer(self, name: str, after_s: float, jitter: float = 0.0) -> None:
        """(Re)start a timer."""
        turn = self.state.turn + 1
        self.set(turn=turn, timers={**self.state.timers, name: turn})
        self.do(SetTimer(name, turn, after_s, jitter))

    def stop_timer(self, name: str) -> None:
        """Forget a timer that may run."""
        if name in self.state.timers:
            rest = {key: turn for key, turn in self.state.timers.items() if key != name}
            self.set(timers=rest)
            self.do(StopTimer(name))

    def rest(self, cause: str) -> None:
        """Pause before the next try, ever longer, up to a longest pause; there is no last try (S5)."""
        failures = self.state.failures + 1
        settings = self.state.settings
        doubled = settings.retry_first_s * 2 ** min(failures - 1, LONGEST_DOUBLING)
        self.set(failures=failures, resting=True, cause=cause)
        self.set_timer("rest", min(doubled, settings.retry_longest_s), jitter=0.5)

    # --- the session ----------------------------------------------------------------------------

    def open_session(self) -> None:
        """Ask for a session, once."""
        if self.state.session is None and not self.state.opening and not self.state.stopping:
            self.set(opening=True)
            self.do(OpenSession(member_of(self.state)))

    def lose_lock(self) -> None:
        """The lock is not ours any more."""
        if self.state.lock is not None:
            self.set(lock=None)
            self.do(StopLease())

    def forget_session(self) -> None:
        """The session has ended, or is about to be closed: so is everything that was read under it."""
        self.lose_lock()
        self.stop_timer("race")
        self.set(session=None, connected=False, holder=None, holder_known=False)
        self.set(members=(), waiting="", waited=frozenset())

    def close_session(self) -> None:
        """Close the session; a new one is opened unless we are stopping."""
        if self.state.session is not None:
            session = self.state.session.id
            self.forget_session()
            self.set(closing=True)
            self.do(CloseSession(session))
        self.open_session()

    # --- the service ----------------------------------------------------------------------------

    def demote(self, cause: str) -> None:
        """Stop being active, for whatever cause; what follows depends on the answer.

        A standby that was demoted must be told anew whom to follow.
        """
        asked_for_lock = self.state.role is Role.CAMPAIGNING and self.state.pending
        if self.state.role is Role.PROMOTING:
            self.set(gone=False)  # S3: that there was no process says nothing of the one that promote may have started
        attempt = self.begin_attempt()
        if asked_for_lock:
            self.close_session()  # S4: the request may still win
        self.stop_timer("settled")
        self.set(service=ServiceRole.UNKNOWN, reported=ServiceRole.UNKNOWN)
        self.set(cause=cause, standby_reports=0, followed=0, stays="", obeyed=0)
        self.become(Role.DEMOTING, cause)
        self.do(Demote(attempt, self.state.epoch, cause, self.state.gone))

    def give_up(self, cause: str, failed: bool = True) -> None:
        """The campaign has failed or is called off: demote what was promoted, leave the session, pause (design §3.4).

        A lock that was asked for, or won, goes with the session, never by its path (S4).
        """
        if failed:
            self.rest(cause)
        if self.state.service is not ServiceRole.STANDBY:
            self.demote(cause)
            return
        self.begin_attempt()
        self.close_session()
        self.become(Role.OUT, cause)

    def answer_demand(self, verdict: Verdict, detail: str) -> None:
        """Tell the peer that demanded our demote how it ended."""
        demand = self.state.demand
        if demand is not None:
            self.set(demand=None, obeyed=demand.epoch if verdict is Verdict.DONE else 0)
            node = self.state.identity.node
            self.do(AnswerDemand(demand.request, verdict, node, demand.epoch, detail))

    # --- without the lock: what now? ------------------------------------------------------------

    def reconsider(self) -> None:
        """Settle as `standby` or `out`, make the service standby first (S8), follow, race for a free lock."""
        state = self.state
        if state.stopping:
            self.leave()
        elif state.service is not ServiceRole.STANDBY:
            self._secure_standby()
        elif state.session is None:
            self.open_session()
            self.become(Role.OUT, "no session with the store")
        elif state.lock is not None and state.connected:
            self.demote("the service is standby and the lock still ours: handing over")
        elif state.lock is not None:
            self.become(Role.OUT, "demoted: the lock is handed over when the store is back")
        else:
            self.set(settled=True)
            reason = obstacle(state)
            self.become(Role.OUT if reason else Role.STANDBY, reason or _standby_why(state))
            self.race()
            self.follow()

    def _secure_standby(self) -> None:
        state = self.state
        if state.session is None and not state.settled and not state.overdue:
            self.open_session()  # S8: only once the store has answered
            self.become(Role.OUT, "no session with the store; the service is left as it is")
        elif state.reported is ServiceRole.STANDBY:
            self.set(service=ServiceRole.STANDBY)
            self.reconsider()
        elif state.paused:
            self._stay_paused()
        elif state.resting:
            self.open_session()
            self.become(Role.OUT, f"the service may still be active: {state.cause}")
        else:
            self.demote("make sure that the service is standby")

    def _stay_paused(self) -> None:
        """Paused with a service that may be active: leave it, and re-take a lock that only it may re-take."""
        state, record = self.state, self.state.crumb.record
        own = record is not None and record.node == state.identity.node and not record.clean
        free = state.holder_known and state.holder is None and state.session is not None
        if own and free and record is not None and state.reported is ServiceRole.ACTIVE:
            self.set(service=ServiceRole.ACTIVE, epoch=record.epoch, written=state.crumb.version)
            self.campaign(f"{pause_in_words(state)}: the active takes its own lock again")
            return
        self.open_session()
        self.become(Role.OUT, f"{pause_in_words(state)}: the service is left as it is")

    def race(self) -> None:
        """Campaign for a free lock, unless another should go first."""
        state = self.state
        if state.role is not Role.STANDBY or not state.holder_known or state.holder is not None:
            return
        if state.paused or not state.connected:
            return
        wait = holding_back(state)
        if wait is None or wait[0] in state.waited:
            self.campaign("the lock is free")
            return
        if wait[0] != state.waiting:
            self.set(waiting=wait[0])
            self.set_timer("race", wait[1])
        self.become(Role.STANDBY, f"the lock is free: {GOES_FIRST[wait[0]]}")

    def campaign(self, why: str) -> None:
        """Ask for the lock."""
        session = self.state.session
        if session is None:
            self.open_session()
            self.become(Role.CAMPAIGNING, why)
            return
        attempt = self.begin_attempt()
        self.stop_timer("race")
        self.set(waiting="", waited=frozenset())
        self.become(Role.CAMPAIGNING, why)
        self.do(TakeLock(attempt, session.id, self.state.control.version))

    def follow(self) -> None:
        """Tell the standby of a new active, once for each epoch, never of a stale one."""
        state = self.state
        active = active_member(state)
        if active is None or active.epoch <= max(state.followed, state.epoch) or not state.settings.has_follow:
            return
        settled = state.role in (Role.STANDBY, Role.OUT) and state.service is ServiceRole.STANDBY
        if not settled or state.paused or "follow" in state.timers:
            return
        attempt = self.begin_attempt()
        self.set(followed=active.epoch)
        self.do(Follow(attempt, active.epoch, active.node.name, active.address))

    # --- the end --------------------------------------------------------------------------------

    def leave(self) -> None:
        """Stop; a lock that cannot be handed over now is kept for the store to come back, once (else a peer fences).

        No longer than the session's time-out: by then a store that answers others has freed it.
        """
        state = self.state
        kept = state.lock is not None and state.service is ServiceRole.STANDBY and not state.connected
        if state.session is None or not kept:
            self.stop()
            return
        if not state.lingered:
            self.set(lingered=True)
            self.set_timer("stop", state.session.timeout_s)
        if "stop" in self.state.timers:
            self.become(Role.OUT, "stopping: demoted; waiting for the store, to hand the lock over")
        else:
            self.stop()

    def stop(self) -> None:
        """Leave: close the session first, so that a peer need not wait for it."""
        self.begin_attempt()
        self.stop_timer("stop")
        self.become(Role.OUT, "stopping")
        self.close_session()
        if not self.state.closing:
            self.do(StopProcess(self.state.stop_code, "stopped"))


def _standby_why(state: State) -> str:
    if state.holder is not None:
        return f"{state.holder.node} holds the lock"
    if state.paused:
        return "paused: nobody races for the lock"
    return "the lock is free" if state.holder_known else "the lock has not been read yet"
