"""What one controller believes, as one frozen value, and the questions that are answered from it alone.

`service` is the belief that safety rests on: STANDBY only after a demote that answered `done` (or a `role` that says
so), ACTIVE only after a promote that did, UNKNOWN in between.
Deliberately unknown here: what time it is, and how anything is carried out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields

from failover.core.events import DemoteDemanded
from failover.core.values import (
    Breadcrumb,
    Confirmation,
    Control,
    Crumb,
    Health,
    Identity,
    Lock,
    Member,
    Role,
    ServiceRole,
    Session,
    Settings,
    Switchover,
)

NEVER = "the configuration says candidate: false"
DRAINED = "this node is drained (undrain it to let it campaign)"


class BrokenInvariant(Exception):
    """The controller can no longer decide: it must stop (S10). A programmer's error, never the world's."""


@dataclass(frozen=True, slots=True)
class State:
    """One controller's beliefs. See the fields' comments for what each means."""

    identity: Identity
    settings: Settings
    role: Role = Role.STARTING
    why: str = "starting"
    # The attempt under way. `pending`: a question of it has not been answered yet.
    attempt: int = 0
    pending: bool = False
    cause: str = ""  # why the present demote runs
    # The store.
    session: Session | None = None
    opening: bool = False
    closing: bool = False
    connected: bool = False
    lock: Lock | None = None  # ours, as far as acknowledged
    holder: Lock | None = None  # as last seen
    holder_known: bool = False
    freed: str = ""  # the session whose lock was freed last
    crumb: Crumb = field(default_factory=Crumb)
    written: int = -1  # the version of the breadcrumb that we wrote and may mark clean
    conflicts: int = 0
    control: Control = field(default_factory=Control)
    members: tuple[Member, ...] = ()
    # Epochs: ours (of the last claim), and the floor that a peer's fencing has set.
    epoch: int = 0
    floor: int = 0
    grounds: str = ""  # why S1 allows this attempt to promote
    # The service.
    health: Health = Health.UNKNOWN
    health_detail: str = ""
    gone: bool = False
    stays: str = ""  # why an ill active stays where it is
    restarting: bool = False  # the demote under way is followed by a promote on this node
    impaired: int = 0  # how many probes fail that are not critical
    service: ServiceRole = ServiceRole.UNKNOWN
    reported: ServiceRole = ServiceRole.UNKNOWN
    standby_reports: int = 0
    position: int | None = None
    fenceable: Mapping[str, str] = field(default_factory=dict)  # as published: see Member
    freshest: tuple[int, int] = (0, 0)  # the last position that an active published, behind its epoch
    bar: str = ""  # why the service's own hooks say that it must not be promoted now
    settled: bool = False  # S8 has been done since this process started
    # S8 waits for the store no longer: a demote has failed, or (`step_down`) the store has not answered for a lease.
    overdue: bool = False
    followed: int = 0  # the epoch of the active that we follow, or are being told to
    follow_failed: bool = False
    # Pauses between tries.
    failures: int = 0
    resting: bool = False
    waiting: str = ""  # what holds us back from the race
    waited: frozenset[str] = frozenset()
    stalled: str = ""  # why this controller does not trust itself for a while
    # What has happened within `limits.within`.
    moves: int = 0
    restarts: int = 0
    timers: Mapping[str, int] = field(default_factory=dict)
    turn: int = 0
    # Orders.
    demand: DemoteDemanded | None = None
    obeyed: int = 0  # the epoch of the demand that the last demote answered `done`; 0 since any later demote began
    stopping: bool = False
    stop_code: int = 0
    lingered: bool = False  # a stop has waited for the store, or does so: it does it once
    ended: bool = False  # the process was told to end: nothing is decided any more

    @property
    def paused(self) -> bool:
        """An order that cannot be read is taken for a pause: nothing moves."""
        return self.control.pause is not None or bool(self.control.error)

    @property
    def drained(self) -> bool:
        return self.identity.node.name in self.control.drained

    @property
    def retaking(self) -> bool:
        """An active that lost its session and races for the lock again, its service untouched."""
        return self.role is Role.CAMPAIGNING and self.service is ServiceRole.ACTIVE

    @property
    def owns_crumb(self) -> bool:
        """The breadcrumb is the very one that this node wrote, as far as known."""
        record = self.crumb.record
        return (
            record is not None
            and record.node == self.identity.node
            and self.written >= 0
            and self.crumb.version == self.written
        )

    def held(self) -> tuple[Session, Lock]:
        """The session and its lock, where a row may count on both. Raises BrokenInvariant."""
        if self.session is None or self.lock is None:
            raise BrokenInvariant(f"S1: {self.role.value} without the lock")
        return self.session, self.lock

    def health_counts(self) -> bool:
        """A standby that is meant to be stopped cannot be healthy; nobody asks it. Nor one that is being restarted."""
        if self.restarting:
            return False
        return self.role is Role.ACTIVE or not self.settings.standby_stopped


_FIELDS = tuple(one.name for one in fields(State))
_NAMES = frozenset(_FIELDS)


def changed(state: State, changes: Mapping[str, object]) -> State:
    """The state with some fields changed: what `dataclasses.replace` does, in a third of its time.

    A step changes fields a dozen times, and a failover waits for every step.
    """
    if not changes.keys() <= _NAMES:
        raise BrokenInvariant(f"a state has no field {sorted(changes.keys() - _NAMES)}")
    new = object.__new__(State)
    for name in _FIELDS:
        object.__setattr__(new, name, changes[name] if name in changes else getattr(state, name))
    return new


def obstacle(state: State) -> str:
    """Why this node may not campaign, in plain words; "" when it may."""
    if not state.settings.candidate:
        return NEVER
    if state.control.error:
        return f"the control record cannot be read: {state.control.error}"
    if state.drained:
        return DRAINED
    if state.health_counts() and state.health is not Health.HEALTHY and not _revives(state):
        return health_in_words(state)
    if state.bar or _lags(state):
        return state.bar or _lags(state)
    if state.follow_failed:
        return "the last follow failed"
    if state.resting:
        return f"pausing after {state.failures} failed attempt(s): {state.cause}"
    return ""


def _barred(state: State) -> str:
    """Why this node is no candidate, whatever its health: what its peers must know of `obstacle`; "" if it is one."""
    if not state.settings.candidate:
        return NEVER
    return DRAINED if state.drained else state.bar


def alone(state: State) -> bool:
    """Nobody else could take over."""
    return not any(can_take_over(state, member) for member in state.members if member.node != state.identity.node)


def _revives(state: State) -> bool:
    """The last active was this very controller's, nobody else could take over: promote may start a dead service."""
    record = state.crumb.record
    last = record is not None and record.node == state.identity.node and record.epoch == state.epoch
    return last and alone(state) and state.health is Health.NOT_RESPONDING


def _lags(state: State) -> str:
    """`max_lag`: behind the last active as it was last seen, or behind anybody who is there."""
    most = state.settings.max_lag
    if most is None:
        return ""
    behind = lag(state)
    if behind is None:
        return "its position is not known, so max_lag bars it"
    return f"its position is more than max_lag ({most}) behind the freshest one" if behind > most else ""


def lag(state: State) -> int | None:
    """How far this node is behind the freshest position that is known; None: it does not know its own."""
    if state.position is None:
        return None
    known = [member.position for member in state.members if member.position is not None]
    return max([*known, state.freshest[1]]) - state.position


def fresher(state: State) -> tuple[int, int]:
    """`freshest`, once the present members have been looked at."""
    shown = [(m.epoch, m.position) for m in state.members if m.role is Role.ACTIVE and m.position is not None]
    return max([state.freshest, *shown])


def pause_in_words(state: State) -> str:
    """Why nothing moves, where `state.paused`."""
    if state.control.error:
        return f"the control record cannot be read ({state.control.error}), which is taken for a pause"
    return "paused"


def health_in_words(state: State) -> str:
    """The probes' word, and what they found."""
    return f"health is {state.health.value}" + (f": {state.health_detail}" if state.health_detail else "")


def active_member(state: State) -> Member | None:
    """The member that has published itself active under the lock that we see, if it is another node."""
    for member in state.members:
        if (
            member.role is Role.ACTIVE
            and state.holder is not None
            and member.session == state.holder.session
            and member.node != state.identity.node
        ):
            return member
    return None


def member_named(state: State, name: str) -> Member | None:
    """The live member of that name."""
    return next((member for member in state.members if member.node.name == name), None)


def can_take_over(state: State, member: Member) -> bool:
    """Whether a peer is a settled, healthy standby that may campaign."""
    return (
        member.role is Role.STANDBY
        and member.candidate
        and _well(state, member)
        and member.node.name not in state.control.drained
    )


def _well(state: State, member: Member) -> bool:
    """Healthy, or meant to be stopped as long as it is not the active."""
    return member.health is Health.HEALTHY or state.settings.standby_stopped


def rank(member: Member, victim: str = "") -> tuple[int, bool, int, int, tuple[int, ...]]:
    """Order of candidates, the best highest: position, whether it has proven that it could fence `victim`, fewest
    impairments, priority, the name that sorts first.

    Position stays first: a fence that fails costs a try, an impairment comfort, a staler node data.
    """
    fresh = -1 if member.position is None else member.position
    able = not victim or victim == member.node.name or victim in member.fenceable
    by_name = (*(-ord(letter) for letter in member.node.name), 1)
    return (fresh, able, -member.impaired, member.priority, by_name)


def victim_of(state: State) -> str:
    """Whom the next active must fence, by name; "" if nobody."""
    record = state.crumb.record
    return record.node.name if record is not None and not record.clean else ""


def best_candidate(state: State) -> bool:
    """Whether no other candidate should go first. The one whose lock was just freed goes last."""
    others = [
        member
        for member in state.members
        if member.node != state.identity.node and member.session != state.freed and can_take_over(state, member)
    ]
    if state.session is not None and state.session.id == state.freed and others:
        return False
    victim = victim_of(state)
    mine = rank(member_of(state), victim)
    return all(rank(member, victim) < mine for member in others)


def switchover_in_force(state: State) -> Switchover | None:
    """The switchover record, if it still speaks of the last active's epoch; void under any other."""
    order = state.control.switchover
    record = state.crumb.record
    if order is None or record is None or order.epoch != record.epoch:
        return None
    return order


def holding_back(state: State) -> tuple[str, float] | None:
    """What this node must wait for before it races for a free lock: a name and seconds; None: nothing."""
    me = state.identity.node
    order = switchover_in_force(state)
    if order is not None:
        target = member_named(state, order.target) if order.target else None
        if order.target == me.name:
            return None
        if target is not None and _well(state, target) and target.role in _ON_THE_WAY:
            return ("switchover", state.settings.hold_back_s)
        if order.target is None and order.source == me.name and not best_candidate(state):
            return ("switchover", state.settings.hold_back_s)
    if state.stalled and not alone(state):
        return ("stalled", state.settings.head_start_s)
    record = state.crumb.record
    if record is not None and not record.clean:
        if record.node == me:
            return None
        owner = member_named(state, record.node.name)
        if owner is not None and owner.node == record.node and owner.role in _ON_THE_WAY:
            return ("owner", state.settings.head_start_s)
    return None if best_candidate(state) else ("head_start", state.settings.head_start_s)


_ON_THE_WAY = (Role.STANDBY, Role.CAMPAIGNING, Role.FENCING, Role.CLAIMING, Role.PROMOTING)


def proven_ended(state: State, record: Breadcrumb) -> bool:
    """S1: the old active's host has rebooted since, and its controller has done S8 under the new boot-id.

    The member must speak of this very epoch: boot-ids have no order, and what we know of the members may be late, so
    another boot-id may as well be that of a boot before the breadcrumb's.
    """
    return any(
        member.node == record.node and member.boot_id != record.boot_id and member.settled
        for member in state.members
        if record.boot_id and member.boot_id and member.ended == record.epoch
    )


def confirmation(state: State, record: Breadcrumb) -> Confirmation | None:
    """S1: an operator's word for exactly this breadcrumb, as it was read under the lock."""
    word = state.control.confirmed
    if word is None or (word.node, word.epoch, word.version) != (record.node, record.epoch, state.crumb.version):
        return None
    return word


def _ended(state: State) -> int:
    """The epoch of our own breadcrumb from before this boot, once S8 has been done under this one, and still holds."""
    record, me = state.crumb.record, state.identity
    if record is None or record.node != me.node or not state.settled or state.service is not ServiceRole.STANDBY:
        return 0
    return record.epoch if record.boot_id != me.boot_id else 0


def member_of(state: State) -> Member:
    """What this controller publishes about itself."""
    return Member(
        node=state.identity.node,
        session=state.session.id if state.session else "",
        role=state.role,
        health=state.health,
        epoch=state.epoch if state.lock is not None else 0,
        boot_id=state.identity.boot_id,
        address=state.identity.address,
        priority=state.settings.priority,
        position=state.position,
        impaired=state.impaired,
        barred=_barred(state),
        settled=state.settled,
        ended=_ended(state),
        why=state.why,
        config_hash=state.settings.config_hash,
        version=state.settings.version,
        fenceable=state.fenceable,
    )
