"""Tells a story: keeps the state of each controller in it, turns commands into events, and narrates the steps.

An answer is taken only if its question was asked and not answered before (`attempt=now`, the default), or was asked
by an attempt that is over (`attempt=stale`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from failover.core import events as happened
from failover.core.effects import Claim, Demote, Fence, Follow, HandOver, Promote, Question, TakeLock
from failover.core.state import State
from failover.core.step import step
from failover.core.values import Crumb, Health, Lock, ServiceRole, Session, Settings, Verdict
from tests.core import words as said
from tests.core.narration import narrate
from tests.core.story import TRANSCRIPTS, read
from tests.core.words import WordError, Words


@dataclass
class Controller:
    """One controller of the story. `asked`: its questions in order; `owed`: the one not yet answered."""

    state: State
    asked: list[Question] = field(default_factory=list)
    owed: Question | None = None

    def last(self, kind: type[Question], before: int | None = None) -> Question | None:
        """The last question of that kind; `before`: of an attempt before that one."""
        found = [q for q in self.asked if isinstance(q, kind) and (before is None or q.attempt < before)]
        return found[-1] if found else None


class Teller:
    """Tells one story, command by command."""

    def __init__(self, overrides: str = "") -> None:
        self._controllers: dict[str, Controller] = {}
        self._overrides = overrides
        self._now: Controller | None = None

    def tell(self, line: str) -> list[str]:
        """What comes of a command."""
        words = Words.of(line)
        if words.takes("node"):
            return self._node(words)
        if words.takes("as", "told", "in"):
            return self._as_told(words)
        event = EVENTS[words.next()](self, words)
        words.all_used()
        return self._step(event)

    @property
    def state(self) -> State:
        """The state of the controller that the story speaks of."""
        return self.controller().state

    def controller(self) -> Controller:
        """The controller that the story speaks of."""
        if self._now is None:
            raise WordError("a story begins with: node NAME")
        return self._now

    def _node(self, words: Words) -> list[str]:
        """`node db1 [settings]`: from here on the story speaks of that controller."""
        name, boot = words.next(), words.option("boot", "")
        if name not in self._controllers:
            settings = said.settings(Words.of(self._overrides), said.settings(words, Settings()))
            self._controllers[name] = Controller(State(said.identity(name, boot), settings))
        words.all_used()
        self._now = self._controllers[name]
        return []

    def _as_told(self, words: Words) -> list[str]:
        """`as told in STORY [with SETTINGS]`: that story's commands, unseen; then how things stand."""
        _, _, overrides = words.line.partition(" with ")
        other = Teller(overrides)
        for part in read(TRANSCRIPTS / f"{words.next()}.txt"):
            if part.command:
                other.tell(part.command)
        self._controllers |= other._controllers
        self._now = other._now
        return [f"{self.state.role.value}: {self.state.why}"]

    def _step(self, event: happened.Event) -> list[str]:
        now = self.controller()
        before, result = now.state, step(now.state, event)
        now.state = result.state
        if isinstance(event, happened.Answer) and not result.stale:
            now.owed = None
        for effect in result.effects:
            if isinstance(effect, Question):
                now.asked.append(effect)
                now.owed = effect
        return list(narrate(before, result))

    def answered(self, words: Words, kind: type[Question]) -> int:
        """The attempt that an answer belongs to. Raises WordError when nobody asked."""
        now, which = self.controller(), words.option("attempt", "now")
        question = now.last(kind, now.state.attempt if which == "stale" else None)
        if question is None or (which == "now" and question is not now.owed):
            raise WordError(f"nobody waits for an answer to {kind.__name__}: {words.line}")
        return question.attempt

    def session(self) -> str:
        """The present session's id."""
        return self.state.session.id if self.state.session else "none"


# --- the store ----------------------------------------------------------------------------------


def _started(teller: Teller, words: Words) -> happened.Event:
    service = ServiceRole(words.option("service", "unknown"))
    return happened.Started(service, words.number("floor", 0), words.takes("reattaching"))


def _session(teller: Teller, words: Words) -> happened.Event:
    what = words.next()
    if what == "opened":
        members = said.members(words.option("members", ""))
        return happened.SessionOpened(Session(words.next(), 6.0), said.control(words), members)
    if what == "adopted":
        return _adopted(words)
    if what == "refused":
        return happened.SessionRefused(words.next(), words.number("code", 4))
    if what == "ended":
        return happened.SessionEnded(words.next(teller.session()))
    return happened.SessionClosed(words.next("s1"), not words.takes("unconfirmed"))


def _adopted(words: Words) -> happened.Event:
    name, czxid = words.next(), words.number("czxid", 0)
    return happened.SessionAdopted(
        session=Session(name, 6.0),
        control=said.control(words),
        members=said.members(words.option("members", "")),
        lock=Lock(czxid, name, "db1") if czxid else None,
        crumb=said.crumb(words.option("crumb", "none")),
        epoch=words.number("epoch", czxid),
        trusted=words.takes("trusted"),
        reported=ServiceRole(words.option("service", "unknown")),
        reason=words.next(""),
    )


def _connection(teller: Teller, words: Words) -> happened.Event:
    return happened.ConnectionLost() if words.takes("lost") else happened.ConnectionRestored(*_used(words, "restored"))


def _used(words: Words, *expected: str) -> tuple[()]:
    if not words.takes(*expected):
        raise WordError(f"expected {' '.join(expected)}: {words.line}")
    return ()


def _lock(teller: Teller, words: Words) -> happened.Event:
    """`lock seen free`, `lock seen ours`, `lock seen db2 czxid=9`, each with `crumb=…`; `late` for an old session."""
    _used(words, "seen")
    name, crumb = words.next(), said.crumb(words.option("crumb", "none"))
    session = words.option("told_by", teller.session())
    if name == "free":
        return happened.LockSeen(session, None, crumb)
    if name == "ours":
        return happened.LockSeen(session, teller.state.lock, crumb)
    return happened.LockSeen(session, said.lock(words, f"session-of-{name}", name), crumb)


def _taken(teller: Teller, words: Words) -> happened.Event:
    attempt, outcome = teller.answered(words, TakeLock), happened.TakeOutcome(words.next())
    crumb, control, holder = Crumb(), None, None
    if outcome is happened.TakeOutcome.WON:
        crumb = said.crumb(words.option("crumb", "none"))
        holder = said.lock(words, teller.session(), teller.state.identity.node.name)
    elif outcome is happened.TakeOutcome.HELD:
        name = words.next()
        holder = said.lock(words, f"session-of-{name}", name)
    elif outcome is happened.TakeOutcome.CONTROL:
        control = said.control(words)
    return happened.LockTaken(attempt, outcome, holder, crumb, control, words.next(""))


def _claimed(teller: Teller, words: Words) -> happened.Event:
    attempt, outcome = teller.answered(words, Claim), happened.WriteOutcome(words.next())
    question = teller.controller().last(Claim)
    epoch = question.epoch if isinstance(question, Claim) else 0
    crumb = said.crumb(words.option("crumb", "none"))
    return happened.Claimed(attempt, epoch, outcome, words.number("version", -1), crumb, words.next(""))


def _handed(teller: Teller, words: Words) -> happened.Event:
    _used(words, "over")
    attempt, outcome = teller.answered(words, HandOver), happened.WriteOutcome(words.next())
    return happened.HandedOver(attempt, outcome, words.number("version", -1), words.next(""))


def _control(teller: Teller, words: Words) -> happened.Event:
    return happened.ControlChanged(said.control(words))


def _members(teller: Teller, words: Words) -> happened.Event:
    return happened.MembersChanged(said.members(words.next("")))


# --- the service, its hooks, fencing ------------------------------------------------------------


def _health(teller: Teller, words: Words) -> happened.Event:
    health, gone = Health(words.next()), words.takes("gone")
    impaired = words.number("impaired", 0)
    return happened.HealthChanged(health, words.next(""), gone, impaired)


def _role(teller: Teller, words: Words) -> happened.Event:
    """`role active`; `asked=stale`: the question was put before the present attempt began."""
    asked = teller.state.attempt - (1 if words.option("asked", "now") == "stale" else 0)
    return happened.RoleReported(ServiceRole(words.next()), asked)


def _standing(teller: Teller, words: Words) -> happened.Event:
    position = words.option("position", "")
    return happened.StandingReported(int(position) if position else None, words.next(""))


def _fenced(teller: Teller, words: Words) -> happened.Event:
    attempt, verdict = teller.answered(words, Fence), Verdict(words.next())
    method = words.next() if words.takes("by") else ""
    return happened.Fenced(attempt, 0, verdict, method, words.next(""))


def _promoted(teller: Teller, words: Words) -> happened.Event:
    attempt, verdict = teller.answered(words, Promote), Verdict(words.next())
    question = teller.controller().last(Promote)
    epoch = question.epoch if isinstance(question, Promote) else 0
    return happened.Promoted(attempt, epoch, verdict, words.next(""))


def _demoted(teller: Teller, words: Words) -> happened.Event:
    attempt, verdict = teller.answered(words, Demote), Verdict(words.next())
    return happened.Demoted(attempt, verdict, words.next(""))


def _followed(teller: Teller, words: Words) -> happened.Event:
    attempt, verdict = teller.answered(words, Follow), Verdict(words.next())
    return happened.Followed(attempt, teller.state.followed, verdict, words.next(""))


# --- time, people, peers ------------------------------------------------------------------------


def _lease(teller: Teller, words: Words) -> happened.Event:
    """`lease ran out [unkept="why"]`."""
    _used(words, "ran", "out")
    return happened.LeaseRanOut(teller.session(), words.option("unkept", ""))


def _timer(teller: Teller, words: Words) -> happened.Event:
    """`timer rest`: it runs down. Raises WordError when it was not set."""
    name = words.next()
    if name not in teller.state.timers:
        raise WordError(f"timer {name} does not run; these do: {sorted(teller.state.timers)}")
    return happened.TimerFired(name, teller.state.timers[name] - (1 if words.takes("stale") else 0))


def _stop(teller: Teller, words: Words) -> happened.Event:
    return happened.StopRequested(words.takes("keep"), words.takes("last"))


def _settings(teller: Teller, words: Words) -> happened.Event:
    """`settings priority=5 not_candidate`: what changes; the rest stays."""
    return happened.SettingsChanged(said.settings(words, teller.state.settings))


def _demanded(teller: Teller, words: Words) -> happened.Event:
    """`demanded by db2 epoch=9 [request=r1] [target=db1] [machine=…]`: a peer asks this node to demote."""
    _used(words, "by")
    target = said.node(words.option("target", teller.state.identity.node.name), words.option("machine", ""))
    return happened.DemoteDemanded(words.option("request", "r1"), target, words.number("epoch", 0), words.next())


def _stalled(teller: Teller, words: Words) -> happened.Event:
    return happened.Stalled(words.next())


def _proofs(teller: Teller, words: Words) -> happened.Event:
    """`proofs db1,db3`: the nodes that could be fenced from here."""
    return happened.ProofsChanged(said.fenceable(words.next("")))


def _forced(teller: Teller, words: Words) -> happened.Event:
    _used(words, "by")
    return happened.ForceOrdered(words.next())


EVENTS: dict[str, Callable[[Teller, Words], happened.Event]] = {
    "started": _started,
    "session": _session,
    "connection": _connection,
    "lock": _lock,
    "taken": _taken,
    "claimed": _claimed,
    "handed": _handed,
    "control": _control,
    "members": _members,
    "health": _health,
    "role": _role,
    "standing": _standing,
    "fenced": _fenced,
    "promoted": _promoted,
    "demoted": _demoted,
    "followed": _followed,
    "lease": _lease,
    "timer": _timer,
    "stop": _stop,
    "settings": _settings,
    "demanded": _demanded,
    "forced": _forced,
    "stalled": _stalled,
    "proofs": _proofs,
}
