"""Rows for people and peers: pause, drain, switchover, force, stop, a peer's demand, and the timers."""

from __future__ import annotations

from failover.core.claim_rows import claim, confirmed_in_words
from failover.core.effects import AnswerDemand, RaiseFloor, StopProcess
from failover.core.events import (
    ControlChanged,
    DemoteDemanded,
    ForceOrdered,
    ProofsChanged,
    SettingsChanged,
    Stalled,
    StopRequested,
    TimerFired,
)
from failover.core.move import GOES_FIRST, Move
from failover.core.orders import obey
from failover.core.service_rows import react_to_health
from failover.core.state import State, confirmation, obstacle, pause_in_words
from failover.core.table import BUSY, CALLED_OFF, CAMPAIGN, FROM_OUT, FROM_STANDBY, IDLE, nothing, on
from failover.core.values import Confirmation, Health, Role, ServiceRole, Verdict

RELOADED = "the configuration was reloaded"

# --- pause, drain, switchover -------------------------------------------------------------------


def control_noted(move: Move, event: ControlChanged) -> None:
    move.set(control=event.control)


def control_changed_idle(move: Move, event: ControlChanged) -> None:
    news = event.control.confirmed != move.state.control.confirmed
    move.set(control=event.control)
    if news and _confirmed(move.state):
        move.stop_timer("rest")  # what has failed was the fence that the operator's word stands in for
        move.set(resting=False)
    if move.state.session is not None:
        move.reconsider()


def control_changed_in_campaign(move: Move, event: ControlChanged) -> None:
    """An order given meanwhile is never overrun: pause and drain call the campaign off."""
    mended = bool(move.state.control.error) and not event.control.error
    move.set(control=event.control)
    if move.state.service is ServiceRole.ACTIVE:
        if mended and move.state.session is not None and not move.state.pending:
            move.campaign("the control record can be read again: taking the lock again")
    elif move.state.paused:
        move.give_up(f"{pause_in_words(move.state)}: the campaign is called off", failed=False)
    elif obstacle(move.state):
        move.give_up(obstacle(move.state), failed=False)
    elif move.state.role is Role.FENCING and (word := _confirmed(move.state)) is not None:
        move.begin_attempt()  # the strike is ended
        claim(move, confirmed_in_words(word))


def _confirmed(state: State) -> Confirmation | None:
    """An operator's word for the last active, whom somebody would have to fence."""
    record = state.crumb.record
    return confirmation(state, record) if record is not None and not record.clean else None


def control_changed_active(move: Move, event: ControlChanged) -> None:
    move.set(control=event.control)
    if move.state.paused:
        move.why = f"{pause_in_words(move.state)}: automatic moves are off"
    elif not obey(move):
        react_to_health(move)


def force_ordered(move: Move, event: ForceOrdered) -> None:
    """With nobody active: no pause between tries, no head start. No safety rule is skipped."""
    state = move.state
    move.stop_timer("rest")
    move.set(resting=False, follow_failed=False)
    if state.holder is not None:
        move.why = f"forced failover refused: {state.holder.node} holds the lock"
    else:
        move.set(waited=frozenset(GOES_FIRST))
        move.reconsider()


# --- stop ---------------------------------------------------------------------------------------


def stop_idle(move: Move, event: StopRequested) -> None:
    if event.keep and move.state.role is Role.STANDBY:
        _keep(move, event)
        return
    move.set(stopping=True)
    if event.last and not move.state.paused and ServiceRole.STANDBY not in (move.state.service, move.state.reported):
        move.demote("stopping for good: nobody else will make sure that the service is standby")
    elif _in_doubt(move.state):
        move.set(stop_code=1)
        move.stop()
        move.become(Role.OUT, f"stopping, although the service may still be active: {move.state.cause}")
    else:
        move.leave()


def _in_doubt(state: State) -> bool:
    """S5: a demote was begun and has not been done; the exit code must not say that it was."""
    begun = (state.settled or state.overdue) and not state.paused
    return begun and ServiceRole.STANDBY not in (state.service, state.reported)


def stop_in_campaign(move: Move, event: StopRequested) -> None:
    """The lock that was asked for goes with the session; a service that was active is demoted first."""
    move.set(stopping=True)
    if move.state.service is ServiceRole.ACTIVE:
        move.demote("stopping")
    else:
        move.stop()


def stop_active(move: Move, event: StopRequested) -> None:
    if event.keep or move.state.paused:
        _keep(move, event)
        return
    move.set(stopping=True)
    move.demote("stopping: handing over")


def stop_promoting(move: Move, event: StopRequested) -> None:
    """Only a settled active can be kept: a promote under way is ended and undone."""
    move.set(stopping=True)
    move.demote("stopping while promoting")


def stop_noted(move: Move, event: StopRequested) -> None:
    move.set(stopping=True)


def _keep(move: Move, event: StopRequested) -> None:
    """Leave session and service as they are: the next controller adopts them."""
    move.set(stopping=True)
    move.why = "stopping; service and session are kept"
    move.do(StopProcess(0, "kept for the next controller"))


# --- a reload -----------------------------------------------------------------------------------


def settings_noted(move: Move, event: SettingsChanged) -> None:
    """Nothing moves for a reload: an active stays one, even where it is no candidate any more."""
    move.set(settings=event.settings)


def settings_changed_idle(move: Move, event: SettingsChanged) -> None:
    move.set(settings=event.settings)
    if move.state.service is ServiceRole.STANDBY and move.state.session is not None:
        move.reconsider()


def settings_changed_in_campaign(move: Move, event: SettingsChanged) -> None:
    move.set(settings=event.settings)
    reason = obstacle(move.state)
    if reason and move.state.service is ServiceRole.STANDBY:
        move.give_up(reason, failed=False)


# --- a peer that fences this node through its controller ----------------------------------------


def _answer(move: Move, event: DemoteDemanded, verdict: Verdict, detail: str) -> None:
    """Answer at once; nothing is moved for it."""
    move.do(AnswerDemand(event.request, verdict, move.state.identity.node, event.epoch, detail))
    move.why = f"{event.by} demanded a demote: {detail}"


def _refuse(move: Move, event: DemoteDemanded, detail: str) -> None:
    _answer(move, event, Verdict.NOT_DONE, detail)
    move.why = f"{event.by} demanded a demote: refused, {detail}"


def _acceptable(move: Move, event: DemoteDemanded) -> bool:
    """S7: name, machine-id and epoch must be right; what is accepted is kept on disk before anything else."""
    state = move.state
    if event.target != state.identity.node:
        _refuse(move, event, "this is another node")
        return False
    if event.epoch <= state.epoch or event.epoch < state.floor:
        own = max(state.epoch, state.floor)
        _refuse(move, event, f"epoch {event.epoch} is not above this node's {own}")
        return False
    if event.epoch == state.floor == state.obeyed and state.service is ServiceRole.STANDBY:
        _answer(move, event, Verdict.DONE, "obeyed before, and nothing up to that epoch is promoted here again")
        return False
    if state.demand is not None:
        move.answer_demand(Verdict.UNKNOWN, "asked again meanwhile")
    if event.epoch > state.floor:
        move.set(floor=event.epoch)
        move.do(RaiseFloor(event.epoch))
    move.set(demand=event)
    return True


def demanded(move: Move, event: DemoteDemanded) -> None:
    if _acceptable(move, event):
        move.demote(f"{event.by} fences this node under epoch {event.epoch}")


def demanded_demoting(move: Move, event: DemoteDemanded) -> None:
    _acceptable(move, event)


# --- timers -------------------------------------------------------------------------------------


def _over(move: Move, event: TimerFired) -> None:
    """What any role takes note of."""
    if event.name == "rest":
        move.set(resting=False)
    elif event.name == "trust":
        move.set(stalled="")


def timer_starting(move: Move, event: TimerFired) -> None:
    _over(move, event)
    if event.name == "unproven":
        _unproven(move)


def timer_idle(move: Move, event: TimerFired) -> None:
    _over(move, event)
    if event.name == "race":
        move.set(waited=move.state.waited | {move.state.waiting}, waiting="")
    elif event.name == "unproven":
        _unproven(move)
        return
    move.reconsider()


def _unproven(move: Move) -> None:
    """S8 under `step_down`: without the store an active service is left alone for at most one lease."""
    if move.state.session is None and not move.state.settled:
        move.set(overdue=True)
        move.demote("the store has not answered for one lease, and on_store_loss is step_down")


def timer_campaign(move: Move, event: TimerFired) -> None:
    _over(move, event)
    if event.name == "rest":
        waits = move.state.retaking and not move.state.pending
        if waits and move.state.session is not None:
            move.campaign("taking the lock again after a pause")


def timer_active(move: Move, event: TimerFired) -> None:
    """S5: back-off is forgotten only after `limits.within` as a healthy active."""
    _over(move, event)
    if move.state.stays:
        react_to_health(move)  # the flap brake may be off again
    elif event.name == "settled" and move.state.health is Health.HEALTHY:
        move.set(failures=0)
        move.why = "healthy for long enough: the next pause is a short one again"
    elif event.name == "settled":
        move.set_timer("settled", move.state.settings.within_s)


def timer_busy(move: Move, event: TimerFired) -> None:
    _over(move, event)


def proofs_noted(move: Move, event: ProofsChanged) -> None:
    """It counts when the next race begins."""
    move.set(fenceable=event.fenceable)


def stalled(move: Move, event: Stalled) -> None:
    """Who did not run for a while may do so again: for some time others go first, where there are any."""
    move.set(stalled=event.detail)
    move.set_timer("trust", move.state.settings.distrust_s)


on(Role.STARTING, ControlChanged, control_noted, "orders are noted until the store answers")
on(Role.OUT, ControlChanged, control_changed_idle, "an order was given", FROM_OUT)
on(Role.STANDBY, ControlChanged, control_changed_idle, "an order was given", FROM_STANDBY)
on(
    (Role.CAMPAIGNING, Role.CLAIMING),
    ControlChanged,
    control_changed_in_campaign,
    "an order was given in a campaign",
    (Role.OUT,),
    or_stay=True,
)
on(
    Role.FENCING,
    ControlChanged,
    control_changed_in_campaign,
    "an order was given in a campaign",
    (Role.FENCING, Role.CLAIMING, Role.OUT),
)
on(Role.PROMOTING, ControlChanged, control_noted, "an order waits until promote has ended")
on(Role.ACTIVE, ControlChanged, control_changed_active, "an order was given", (Role.ACTIVE, Role.DEMOTING))
on(Role.DEMOTING, ControlChanged, control_noted, "an order waits until demote has ended")

on(Role.OUT, ForceOrdered, force_ordered, "failover was forced", FROM_OUT)
on(Role.STANDBY, ForceOrdered, force_ordered, "failover was forced", FROM_STANDBY)
on((Role.STARTING, *BUSY), ForceOrdered, nothing, "a forced failover has nothing to skip here")

on((Role.STARTING, Role.OUT), StopRequested, stop_idle, "a stop was asked for", CALLED_OFF)
on(Role.STANDBY, StopRequested, stop_idle, "a stop was asked for", (Role.OUT, Role.STANDBY))
on((Role.CAMPAIGNING, Role.CLAIMING), StopRequested, stop_in_campaign, "a stop was asked for", CALLED_OFF)
on(Role.FENCING, StopRequested, stop_in_campaign, "a stop was asked for", (Role.OUT,))
on(Role.PROMOTING, StopRequested, stop_promoting, "a stop was asked for", (Role.DEMOTING,))
on(Role.ACTIVE, StopRequested, stop_active, "a stop was asked for", (Role.ACTIVE, Role.DEMOTING))
on(Role.DEMOTING, StopRequested, stop_noted, "a stop was asked for; the demote ends first")

on((Role.OUT, Role.STANDBY), SettingsChanged, settings_changed_idle, RELOADED, FROM_STANDBY)
on(CAMPAIGN, SettingsChanged, settings_changed_in_campaign, RELOADED, (Role.OUT,), or_stay=True)
on((Role.STARTING, Role.PROMOTING, Role.ACTIVE, Role.DEMOTING), SettingsChanged, settings_noted, RELOADED)

on(
    (*IDLE, *CAMPAIGN, Role.PROMOTING, Role.ACTIVE),
    DemoteDemanded,
    demanded,
    "a peer demands a demote",
    (Role.DEMOTING,),
    or_stay=True,
)
on(Role.DEMOTING, DemoteDemanded, demanded_demoting, "a peer demands a demote; one is under way")

on(Role.STARTING, TimerFired, timer_starting, "a pause is over", (Role.STARTING, Role.DEMOTING))
on(Role.OUT, TimerFired, timer_idle, "a pause is over", FROM_OUT)
on(Role.STANDBY, TimerFired, timer_idle, "a pause is over", FROM_STANDBY)
on(CAMPAIGN, TimerFired, timer_campaign, "a pause is over")
on((Role.PROMOTING, Role.DEMOTING), TimerFired, timer_busy, "a pause is over")
on(Role.ACTIVE, TimerFired, timer_active, "a pause is over", (Role.ACTIVE, Role.DEMOTING))

on((*IDLE, *BUSY), ProofsChanged, proofs_noted, "what could be fenced from here was tried")
on((*IDLE, *BUSY), Stalled, stalled, "this controller was stalled")
