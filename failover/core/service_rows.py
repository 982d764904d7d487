"""Rows for what the service says and does: health, role, and the answers of its hooks (S3, S5, S8).

How an active stops, for whatever cause, and what it does afterwards with lock and breadcrumb.
"""

from __future__ import annotations

from dataclasses import replace

from failover.core.claim_rows import claim
from failover.core.effects import HandOver, ResetHealth
from failover.core.events import (
    Demoted,
    Followed,
    HandedOver,
    HealthChanged,
    LeaseRanOut,
    MembersChanged,
    Promoted,
    RoleReported,
    StandingReported,
    Started,
    WriteOutcome,
)
from failover.core.limits import RESTARTS, count, may_restart, stays_ill
from failover.core.move import Move, answered
from failover.core.orders import end_switchover, obey
from failover.core.state import State, health_in_words, obstacle, pause_in_words
from failover.core.table import BUSY, CALLED_OFF, CAMPAIGN, FROM_OUT, FROM_STANDBY, nothing, on
from failover.core.values import Crumb, Health, Role, ServiceRole, Verdict

REPORTS_BEFORE_BELIEF = 2


def started(move: Move, event: Started) -> None:
    move.set(reported=event.reported, floor=max(move.state.floor, event.floor))
    if move.state.settings.step_down:
        move.set_timer("unproven", move.state.settings.lease_s)
    if event.opening:
        move.set(opening=True)
    else:
        move.open_session()


# --- health -------------------------------------------------------------------------------------


def _note_health(move: Move, event: HealthChanged) -> None:
    move.set(health=event.health, health_detail=event.detail, gone=event.gone, impaired=event.impaired)


def health_noted(move: Move, event: HealthChanged) -> None:
    _note_health(move, event)


def health_changed_idle(move: Move, event: HealthChanged) -> None:
    _note_health(move, event)
    if move.state.service is ServiceRole.STANDBY and move.state.session is not None:
        move.reconsider()


def standing_noted(move: Move, event: StandingReported) -> None:
    move.set(position=event.position, bar=event.bar)


def standing_reported(move: Move, event: StandingReported) -> None:
    barred = obstacle(move.state)
    standing_noted(move, event)
    if obstacle(move.state) != barred and move.state.service is ServiceRole.STANDBY and move.state.session is not None:
        move.reconsider()


def health_changed_in_campaign(move: Move, event: HealthChanged) -> None:
    """A candidate that falls ill makes room for another one."""
    _note_health(move, event)
    reason = obstacle(move.state)
    if move.state.service is ServiceRole.ACTIVE:
        if event.health.bad and not move.state.paused:
            move.give_up(f"while the lock was taken again, {health_in_words(move.state)}", failed=False)
    elif reason:
        move.give_up(reason, failed=False)


def health_changed_active(move: Move, event: HealthChanged) -> None:
    _note_health(move, event)
    react_to_health(move)


def react_to_health(move: Move) -> None:
    """An active that is ill is restarted in place or stops, unless something says that it stays as it is."""
    state = move.state
    if not state.health.bad:
        if state.stays and state.health is Health.HEALTHY:
            move.set(stays="")
            move.become(Role.ACTIVE, "healthy again")
        return
    said = health_in_words(state)
    if state.paused:
        move.why = f"{pause_in_words(state)}: nothing moves, although {said}"
    elif may_restart(state):
        _restart(move, said)
    elif stays_ill(state):
        move.set(stays=stays_ill(state))
        move.become(Role.ACTIVE, f"it stays active, although {said}: {stays_ill(state)}")
    else:
        move.rest(said)  # S5: whoever fails soon after each promote pauses ever longer
        move.demote(said)


def _restart(move: Move, said: str) -> None:
    """Demote first, for certain, then claim and promote anew: a restart in place skips no rule."""
    state = move.state
    if state.restarts < state.settings.restarts:
        count(move, RESTARTS)
        how = f"restarting in place ({move.state.restarts} of {state.settings.restarts} within limits.within)"
    else:
        move.rest(said)
        how = "nobody else could take over, so it is restarted in place"
    move.demote(f"{said}; {how}")
    move.set(restarting=True)


def members_changed_active(move: Move, event: MembersChanged) -> None:
    """Somebody who could take over may have come, for an ill active that had stayed."""
    move.set(members=event.members)
    if move.state.stays:
        react_to_health(move)


# --- what the service says it is ----------------------------------------------------------------


def role_reported_starting(move: Move, event: RoleReported) -> None:
    move.set(reported=event.role)


def role_reported_idle(move: Move, event: RoleReported) -> None:
    """S8: active without the lock is demoted at the first answer, unless paused."""
    state = move.state
    move.set(reported=event.role)
    if event.role is ServiceRole.ACTIVE and state.service is ServiceRole.STANDBY:
        move.set(service=ServiceRole.UNKNOWN)
        if state.paused or state.stopping:
            move.reconsider()
        else:
            move.demote("the service says active without the lock")  # at once, whatever we rest from
    elif state.service is not ServiceRole.STANDBY and state.session is not None:
        move.reconsider()


def role_reported_in_campaign(move: Move, event: RoleReported) -> None:
    """S8: a service that became active by itself, before S1 and S2 are done, is demoted."""
    believed = move.state.service
    move.set(reported=event.role)
    if event.role is ServiceRole.STANDBY and believed is ServiceRole.ACTIVE and not move.state.paused:
        move.give_up("the service says standby while its lock is taken again", failed=False)
    elif event.role is ServiceRole.ACTIVE and believed is ServiceRole.STANDBY:
        move.set(service=ServiceRole.UNKNOWN)
        move.give_up("the service says active before it was promoted", failed=False)


def role_reported_active(move: Move, event: RoleReported) -> None:
    """S8: a lock holder whose service says standby twice in a row hands over and campaigns anew."""
    reports = move.state.standby_reports + 1 if event.role is ServiceRole.STANDBY else 0
    move.set(reported=event.role, standby_reports=reports)
    if reports < REPORTS_BEFORE_BELIEF:
        return
    if move.state.paused:
        move.why = f"{pause_in_words(move.state)}: the service says standby although it holds the lock"
    else:
        move.demote("the service says standby although it holds the lock")


# --- the hooks' answers -------------------------------------------------------------------------


def promoted(move: Move, event: Promoted) -> None:
    if event.verdict is not Verdict.DONE:
        cause = answered("promote", event.verdict, event.detail)
        move.rest(cause)
        move.demote(cause)
        return
    move.set(service=ServiceRole.ACTIVE, reported=ServiceRole.UNKNOWN, gone=False, settled=True)
    move.set(restarting=False, stays="")
    move.set(health=Health.UNKNOWN, health_detail="", followed=event.epoch)
    move.do(ResetHealth())
    move.set_timer("settled", move.state.settings.within_s)
    move.become(Role.ACTIVE, f"promoted under epoch {event.epoch}: {move.state.grounds}")
    if not end_switchover(move) or move.state.drained:
        obey(move)  # an order given while promote ran


def demoted(move: Move, event: Demoted) -> None:
    """After `done` the breadcrumb is marked clean with the lock's release (S3); after anything else it stays."""
    move.set(restarting=event.verdict is Verdict.DONE and _restarts_now(move.state))
    if event.verdict is not Verdict.DONE:
        _not_demoted(move, event)
        return
    move.set(service=ServiceRole.STANDBY, reported=ServiceRole.STANDBY, settled=True)
    if move.state.demand is not None:
        move.close_session()
        move.answer_demand(Verdict.DONE, "the service was demoted")
        move.become(Role.OUT, move.state.cause)
        move.reconsider()
    elif move.state.restarting:
        claim(move, move.state.cause)
    elif move.state.lock is not None:
        _release(move)
    else:
        move.reconsider()


def _restarts_now(state: State) -> bool:
    """Demoted for a restart in place, the lock still ours, and nothing was ordered meanwhile."""
    ordered = state.paused or state.drained or state.control.switchover is not None
    ordered = ordered or state.stopping or state.demand is not None
    return state.restarting and state.lock is not None and state.owns_crumb and state.connected and not ordered


def _release(move: Move) -> None:
    state, record = move.state, move.state.crumb.record
    if state.session is None or state.lock is None or record is None or not state.owns_crumb:
        move.close_session()
        move.reconsider()
        return
    move.why = "demoted: handing over"
    clean = replace(record, clean=True)
    move.do(HandOver(state.attempt, state.session.id, state.lock, clean, state.written))


def _not_demoted(move: Move, event: Demoted) -> None:
    """The service may still be active: the lock goes, the breadcrumb stays, so that the peer fences (S3, S5)."""
    cause = answered("demote", event.verdict, event.detail)
    move.rest(cause)
    move.set(overdue=True)
    move.close_session()
    move.answer_demand(event.verdict, cause)
    if move.state.stopping:
        move.set(stop_code=move.state.stop_code or 1)
    move.reconsider()


def handed_over(move: Move, event: HandedOver) -> None:
    """Without an acknowledgement the session is closed: the lock goes for certain, the breadcrumb may stay dirty.

    With the store away nothing can be closed: the lock is kept, to be handed over if the store is back in time (S6).
    """
    state = move.state
    away = event.outcome is WriteOutcome.UNKNOWN and not state.connected
    if state.demand is not None:
        move.close_session()
        move.answer_demand(Verdict.DONE, "the service was demoted")
    elif event.outcome is WriteOutcome.DONE and state.session is not None:
        record = state.crumb.record
        clean = replace(record, clean=True) if record is not None else None
        move.lose_lock()
        move.set(holder=None, holder_known=True, freed=state.session.id, written=-1)
        move.set(crumb=Crumb(clean, event.version))
    elif not away:
        move.close_session()
    move.reconsider()


def followed(move: Move, event: Followed) -> None:
    if event.verdict is Verdict.DONE:
        move.set(follow_failed=False)
    else:
        move.set(follow_failed=True, followed=0)
        move.set_timer("follow", move.state.settings.retry_first_s * 5, jitter=0.5)
        move.why = answered("follow", event.verdict, event.detail)
    said = move.why
    move.reconsider()
    if said is not None:
        move.why = said


# --- the lease ----------------------------------------------------------------------------------


def lease_ran_out(move: Move, event: LeaseRanOut) -> None:
    """S6, `step_down`: the demote ends before the lock can pass to anyone; store back, we campaign anew."""
    if event.unkept:
        move.demote(f"a promise to peers can be kept no more: {event.unkept}")
        return
    if not move.state.settings.step_down:
        move.why = "no renewal was acknowledged for a lease: the lock is unproven, and on_store_loss is hold"
        return
    move.demote("no renewal was acknowledged in time: stepping down before the lease ends")


def lease_ran_out_idle(move: Move, event: LeaseRanOut) -> None:
    """S6 goes before a pause, under which an adopted lock may have been left to a service that is active."""
    if move.state.service is not ServiceRole.STANDBY:
        lease_ran_out(move, event)


def lease_ran_out_campaign(move: Move, event: LeaseRanOut) -> None:
    """S7: a running strike is ended when the lock is in doubt. A lease too short for the demote must not loop hot."""
    move.give_up(event.unkept or "no renewal was acknowledged in time")


on(Role.STARTING, Started, started, "the controller starts")

on(Role.STARTING, HealthChanged, health_noted, "health is noted until the store answers")
on((Role.OUT, Role.STANDBY), HealthChanged, health_changed_idle, "health changed", FROM_STANDBY)
on(
    (Role.CAMPAIGNING, Role.CLAIMING),
    HealthChanged,
    health_changed_in_campaign,
    "health changed in a campaign",
    CALLED_OFF,
    or_stay=True,
)
on(
    Role.FENCING,
    HealthChanged,
    health_changed_in_campaign,
    "health changed in a campaign",
    (Role.FENCING, Role.OUT),
)
on(Role.PROMOTING, HealthChanged, health_noted, "promote's own answer decides, not the probes")
on(Role.ACTIVE, HealthChanged, health_changed_active, "health changed", (Role.ACTIVE, Role.DEMOTING))
on(Role.DEMOTING, HealthChanged, health_noted, "health is noted; the demote goes on")

on(Role.ACTIVE, MembersChanged, members_changed_active, "the members changed", (Role.ACTIVE, Role.DEMOTING))

on((Role.OUT, Role.STANDBY), StandingReported, standing_reported, "the service's standing was reported", FROM_STANDBY)
on((Role.STARTING, *BUSY), StandingReported, standing_noted, "the service's standing is noted")

on(Role.STARTING, RoleReported, role_reported_starting, "the service's role is noted")
on((Role.OUT, Role.STANDBY), RoleReported, role_reported_idle, "the service said what it is", FROM_OUT)
on(CAMPAIGN, RoleReported, role_reported_in_campaign, "the service said what it is", (Role.DEMOTING,), or_stay=True)
on((Role.PROMOTING, Role.DEMOTING), RoleReported, nothing, "a hook runs: its answer decides")
on(Role.ACTIVE, RoleReported, role_reported_active, "the service said what it is", (Role.ACTIVE, Role.DEMOTING))

on(Role.PROMOTING, Promoted, promoted, "promote ended", (Role.ACTIVE, Role.DEMOTING))
on(Role.DEMOTING, Demoted, demoted, "demote ended", (*FROM_OUT, Role.CLAIMING))
on(Role.DEMOTING, HandedOver, handed_over, "the lock was handed over", FROM_STANDBY)
on(Role.OUT, Followed, followed, "follow ended", FROM_OUT)
on(Role.STANDBY, Followed, followed, "follow ended", FROM_STANDBY)

on((Role.PROMOTING, Role.ACTIVE), LeaseRanOut, lease_ran_out, "the lease ran out", (Role.DEMOTING,), or_stay=True)
on(Role.FENCING, LeaseRanOut, lease_ran_out_campaign, "the lease ran out", (Role.OUT,))
on(Role.CLAIMING, LeaseRanOut, lease_ran_out_campaign, "the lease ran out", CALLED_OFF)
on(Role.OUT, LeaseRanOut, lease_ran_out_idle, "the service has been stopped already", (Role.OUT, Role.DEMOTING))
on(Role.DEMOTING, LeaseRanOut, nothing, "the service is being stopped")
