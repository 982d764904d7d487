"""Seeded mistakes: each breaks one rule on purpose, at run time, to show that the simulation would have seen it.

`python -m tests.simulation.mistakes` runs each with the core's own invariants and without them, and says who caught it.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import Any

from failover.core import claim_rows, lock_rows, order_rows, service_rows
from failover.core import move as moves
from failover.core import step as steps
from failover.core.effects import Claim, HandOver, Lane, Promote, TakeLock
from failover.core.events import (
    Claimed,
    Demoted,
    Event,
    Fenced,
    HandedOver,
    LockSeen,
    LockTaken,
    Promoted,
    RoleReported,
    TakeOutcome,
)
from failover.core.move import Move
from failover.core.state import State
from failover.core.table import ROWS
from failover.core.values import Breadcrumb, Confirmation, Crumb, Node, Role, ServiceRole, Verdict
from failover.ports.service import Result, Traits
from failover.runtime import engine
from failover.runtime.lease import Lease
from failover.stores.simulated import SimulatedEnsemble
from fencing import chain
from tests.simulation import doubt
from tests.simulation.doubt import TRAITS, Memory, Method, RunningChain
from tests.simulation.fencing import PowerSwitches
from tests.simulation.run import Outcome, run
from tests.simulation.scenario import DOUBT_FROM

MOST_SEEDS = 1_200


class Substitutes:
    """Puts functions in the place of others, and back again."""

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack

    def attribute(self, owner: Any, name: str, new: Any) -> None:
        old = getattr(owner, name)
        setattr(owner, name, new)
        self._stack.callback(setattr, owner, name, old)

    def row(self, role: Role, event: type[Event], change: Callable[[Any], Any]) -> None:
        """Replace a row's handler by what `change` makes of it; it may then end in any role."""
        old = ROWS[role, event]
        ROWS[role, event] = replace(old, handler=change(old.handler), to=frozenset(Role))
        self._stack.callback(ROWS.__setitem__, (role, event), old)


Seeding = Callable[[Substitutes], None]


@dataclass(frozen=True, slots=True)
class Mistake:
    """`rule`: the one it breaks. `likely`: seeds that have shown it. `first`: where to look on from."""

    rule: str
    seed: Seeding
    likely: tuple[int, ...]
    first: int = 0


MISTAKES: dict[str, Mistake] = {}


def mistake(rule: str, *likely: int, first: int = 0) -> Callable[[Seeding], Seeding]:
    """Add a mistake under its function's name."""

    def add(seed: Seeding) -> Seeding:
        MISTAKES[seed.__name__.replace("_", " ")] = Mistake(rule, seed, likely, first)
        return seed

    return add


@contextmanager
def seeded(name: str, invariants: bool) -> Iterator[None]:
    """Make the mistake; with `invariants` False the core does not check itself."""
    with ExitStack() as stack:
        substitutes = Substitutes(stack)
        if not invariants:
            substitutes.attribute(steps, "check", lambda *_: None)
        MISTAKES[name].seed(substitutes)
        yield


def catch(name: str, invariants: bool, most_seeds: int = MOST_SEEDS) -> Outcome | None:
    """The first seed that shows the mistake, the likely ones first; None: nobody noticed.

    Without the invariants only the simulation's own checkers count.
    """
    with seeded(name, invariants):
        made = MISTAKES[name]
        for seed in (*made.likely, *range(made.first, made.first + most_seeds)):
            outcome = run(seed)
            if outcome.breach and (invariants or outcome.by == "checker"):
                return outcome
    return None


# --- S1, S2 -----------------------------------------------------------------------------------------


@mistake("S1")
def the_fence_is_skipped(put: Substitutes) -> None:
    def fence(move: Move, record: Breadcrumb) -> None:
        claim_rows.claim(move, f"{record.node.name} will surely be down")

    put.attribute(claim_rows, "fence", fence)


@mistake("S2", 43)
def the_breadcrumb_is_written_without_its_version(put: Substitutes) -> None:
    real = SimulatedEnsemble.claim

    def claim(self: SimulatedEnsemble, ask: Claim, session: str) -> Claimed:
        return real(self, replace(ask, version=self.records.crumb.version), session)

    put.attribute(SimulatedEnsemble, "claim", claim)


@mistake("S2", 4)
def the_sessions_check_is_left_out(put: Substitutes) -> None:
    real_take, real_claim, real_hand_over = (
        SimulatedEnsemble.take,
        SimulatedEnsemble.claim,
        SimulatedEnsemble.hand_over,
    )

    def take(self: SimulatedEnsemble, ask: TakeLock, session: str, node: Node) -> LockTaken:
        return real_take(self, replace(ask, session=session), session, node)

    def claim(self: SimulatedEnsemble, ask: Claim, session: str) -> Claimed:
        return real_claim(self, _under_any_lock(self, ask, session), session)

    def hand_over(self: SimulatedEnsemble, ask: HandOver, session: str) -> HandedOver:
        return real_hand_over(self, _under_any_lock(self, ask, session), session)

    put.attribute(SimulatedEnsemble, "take", take)
    put.attribute(SimulatedEnsemble, "claim", claim)
    put.attribute(SimulatedEnsemble, "hand_over", hand_over)
    put.attribute(SimulatedEnsemble, "_why_not_ours", lambda *_: "")


def _under_any_lock(ensemble: SimulatedEnsemble, ask: Any, session: str) -> Any:
    return replace(ask, session=session, lock=ensemble.records.lock or ask.lock)


@mistake("S2")
def promote_comes_before_the_breadcrumb(put: Substitutes) -> None:
    real = claim_rows.claim

    def claim(move: Move, grounds: str) -> None:
        real(move, grounds)
        if move.state.role is Role.CLAIMING:
            move.do(Promote(move.state.attempt, claim_rows.next_epoch(move), grounds))

    real_promote = claim_rows._promote

    def promote(move: Move, event: Claimed) -> None:
        real_promote(move, event)
        move.effects = [effect for effect in move.effects if not isinstance(effect, Promote)]

    put.attribute(claim_rows, "claim", claim)
    put.attribute(claim_rows, "_promote", promote)


@mistake("S2", 29, 98)
def a_foreign_breadcrumb_does_not_stop_a_retaking_active(put: Substitutes) -> None:
    real = claim_rows.judge

    def judge(move: Move, crumb: Crumb) -> None:
        if move.state.retaking:
            move.set(written=crumb.version)
        real(move, crumb)

    put.attribute(lock_rows, "judge", judge)
    put.attribute(claim_rows, "judge", judge)


@mistake("S2")
def the_epoch_does_not_increase(put: Substitutes) -> None:
    def next_epoch(move: Move) -> int:
        record = move.state.crumb.record
        return record.epoch if record is not None else 1

    put.attribute(claim_rows, "next_epoch", next_epoch)


# --- S3 ---------------------------------------------------------------------------------------------


@mistake("S3", 4)
def the_breadcrumb_is_cleared_after_a_failed_demote(put: Substitutes) -> None:
    def change(real: Any) -> Any:
        def demoted(move: Move, event: Demoted) -> None:
            if event.verdict is not Verdict.DONE and move.state.lock is not None:
                service_rows._release(move)
            else:
                real(move, event)

        return demoted

    put.row(Role.DEMOTING, Demoted, change)


@mistake("S3")
def the_lock_is_handed_over_before_the_demote(put: Substitutes) -> None:
    real = moves.Move.demote

    def demote(self: Move, cause: str) -> None:
        record, lock, session = self.state.crumb.record, self.state.lock, self.state.session
        real(self, cause)
        if record is not None and lock is not None and session is not None and self.state.owns_crumb:
            clean = replace(record, clean=True)
            self.do(HandOver(self.state.attempt, session.id, lock, clean, self.state.written))

    put.attribute(moves.Move, "demote", demote)


# --- S4 ---------------------------------------------------------------------------------------------


@mistake("S4", 106, 125)
def stale_answers_are_accepted(put: Substitutes) -> None:
    """Neither the lanes drop what comes late, nor does the core, as long as there is a row for it."""
    real_stale = steps.stale

    def stale(state: State, event: Event) -> str:
        over = real_stale(state, event)
        return "" if (state.role, type(event)) in ROWS else over

    def cancel(self: Any, attempt: int) -> None:
        self._queue = type(self._queue)(e for e in self._queue if not engine._of_attempt(e, attempt))
        if self._run is not None and engine._of_attempt(self._run.effect, attempt):
            run, self._run = self._run, None
            if self.name is not Lane.STORE and run.running is not None:
                run.running.end(lambda: None)

    put.attribute(steps, "stale", stale)
    put.attribute(engine._Lane, "cancel", cancel)


@mistake("S4", 264, 323)
def a_lock_that_was_won_late_is_kept(put: Substitutes) -> None:
    def taken(real: Any) -> Any:
        def lock_taken(move: Move, event: LockTaken) -> None:
            if event.outcome is TakeOutcome.UNKNOWN and not move.state.retaking:
                move.become(Role.STANDBY, "the lock request was not answered")
                move.reconsider()
            else:
                real(move, event)

        return lock_taken

    def seen(real: Any) -> Any:
        def lock_seen(move: Move, event: LockSeen) -> None:
            lock_rows._see(move, event)
            move.reconsider()

        return lock_seen

    put.row(Role.CAMPAIGNING, LockTaken, taken)
    put.row(Role.STANDBY, LockSeen, seen)
    put.row(Role.OUT, LockSeen, seen)


@mistake("S4")
def demote_starts_while_a_promote_still_runs(put: Substitutes) -> None:
    def end(self: Any, run: Any) -> None:
        if self._run is run:
            self._run = None
            self.advance()

    put.attribute(engine._Lane, "_end", end)


# --- S5 ---------------------------------------------------------------------------------------------


def _unknown_is_done(real: Any) -> Any:
    def handler(move: Move, event: Any) -> None:
        real(move, replace(event, verdict=Verdict.DONE) if event.verdict is Verdict.UNKNOWN else event)

    return handler


@mistake("S5", 42, 46)
def an_unknown_fence_counts_as_done(put: Substitutes) -> None:
    put.row(Role.FENCING, Fenced, _unknown_is_done)


@mistake("S5", 6)
def an_unknown_demote_counts_as_done(put: Substitutes) -> None:
    put.row(Role.DEMOTING, Demoted, _unknown_is_done)


@mistake("S5", 12, 18)
def an_unknown_promote_counts_as_done(put: Substitutes) -> None:
    put.row(Role.PROMOTING, Promoted, _unknown_is_done)


# --- S6, S7, S8 -------------------------------------------------------------------------------------


@mistake("S6", 44)
def nobody_steps_down_when_the_lease_runs_out(put: Substitutes) -> None:
    put.attribute(Lease, "_ran_out", lambda self: None)


@mistake("S7", 10, 12)
def only_the_service_is_fenced(put: Substitutes) -> None:
    """Its controller and hooks live on."""

    def strike(self: PowerSwitches, name: str, answer: Callable[[Verdict], None]) -> None:
        host, clock = self._world.host_named(name), self._world.clock

        def struck() -> None:
            host.service.crash()
            clock.call_later(1.0, host.service.come_back)
            answer(Verdict.DONE)

        clock.call_later(0.5, struck)

    put.attribute(PowerSwitches, "strike", strike)


@mistake("S7", 382, 1110)
def the_proof_before_a_strike_is_taken_for_granted(put: Substitutes) -> None:
    put.attribute(Lease, "prove", lambda self, answer: answer(self._held is not None))


@mistake("S8", 221)
def an_active_service_without_the_lock_is_left_alone(put: Substitutes) -> None:
    def change(real: Any) -> Any:
        def role_reported(move: Move, event: RoleReported) -> None:
            if event.role is not ServiceRole.ACTIVE:
                real(move, event)

        return role_reported

    put.row(Role.OUT, RoleReported, change)
    put.row(Role.STANDBY, RoleReported, change)


@mistake("S8")
def a_starting_controller_believes_that_its_service_is_standby(put: Substitutes) -> None:
    def secure_standby(self: Move) -> None:
        self.set(service=ServiceRole.STANDBY)
        self.reconsider()

    put.attribute(moves.Move, "_secure_standby", secure_standby)


# --- S1, S7: fence devices and operators (issue 4) --------------------------------------------------


@mistake("S1", first=DOUBT_FROM)
def a_confirmation_counts_for_any_version(put: Substitutes) -> None:
    def confirmation(state: State, record: Breadcrumb) -> Confirmation | None:
        word = state.control.confirmed
        return word if word is not None and (word.node, word.epoch) == (record.node, record.epoch) else None

    put.attribute(claim_rows, "confirmation", confirmation)
    put.attribute(order_rows, "confirmation", confirmation)


@mistake("S1", first=DOUBT_FROM)
def a_confirmation_is_used_twice(put: Substitutes) -> None:
    """It counts for whatever its node does later."""

    def confirmation(state: State, record: Breadcrumb) -> Confirmation | None:
        word = state.control.confirmed
        return word if word is not None and word.node == record.node else None

    put.attribute(claim_rows, "confirmation", confirmation)
    put.attribute(order_rows, "confirmation", confirmation)


@mistake("S7", 1_000_029, first=DOUBT_FROM)
def the_chain_believes_a_device_that_never_said_on(put: Substitutes) -> None:
    put.attribute(chain._Run, "_believed", lambda self, method, result: result)


@mistake("S7", 1_000_034, first=DOUBT_FROM)
def the_chain_does_not_look_whether_the_host_still_answers(put: Substitutes) -> None:
    async def contradicted(self: Any) -> bool:
        return False

    put.attribute(chain._Run, "_contradicted", contradicted)


@mistake("S7", first=DOUBT_FROM)
def a_service_only_strike_ends_the_chain(put: Substitutes) -> None:
    put.attribute(doubt, "TRAITS", {**TRAITS, "stop": Traits(whole=True)})


@mistake("S4", 1_000_015, first=DOUBT_FROM)
def the_strike_of_an_attempt_that_is_over_counts(put: Substitutes) -> None:
    """What a device or a peer answers late ends the next attempt against the same node."""
    real = RunningChain._run

    def late(self: Method, result: Result) -> None:
        if result.verdict is Verdict.DONE:
            _late_of(self._process).add(self._ask.target.node.name)

    async def run_chain(self: RunningChain) -> Result:
        if self._ask.target.node.name in _late_of(self._process):
            return Result(Verdict.DONE, "answered at last", by="power")
        return await real(self)

    put.attribute(Method, "late", late)
    put.attribute(RunningChain, "_run", run_chain)


def _late_of(process: Any) -> set[str]:
    names: set[str] = process.world.__dict__.setdefault("late", set())
    return names


@mistake("S7", first=DOUBT_FROM)
def quarantine_is_ignored(put: Substitutes) -> None:
    put.attribute(Memory, "quarantined", lambda self, target, method: "")


def main() -> int:
    """Exit code 1 when a mistake went unnoticed without the invariants."""
    unnoticed = 0
    logging.disable(logging.CRITICAL)
    for name, made in MISTAKES.items():
        print(f"{made.rule}  {name}")
        for invariants in (True, False):
            outcome = catch(name, invariants)
            label = "with the core's invariants" if invariants else "without them"
            if outcome is None:
                unnoticed += not invariants
                print(f"    {label}: NOT NOTICED in {MOST_SEEDS} seeds")
            else:
                print(f"    {label}: seed {outcome.seed}, by the {outcome.by}: {outcome.breach[:150]}")
    return 1 if unnoticed else 0


if __name__ == "__main__":
    sys.exit(main())
