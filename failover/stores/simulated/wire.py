"""One simulated client's connection: messages each way in order, and what can go wrong with them.

A request goes up, is carried out at the servers, and its reply comes down. A connection that breaks fails every
request under way, though what had been sent may still be carried out, until the client has connected anew.
Deliberately unknown here: what the messages mean.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from failover.stores.simulated.clock import Cancellable
from failover.stores.simulated.ensemble import Client, Records, SimulatedEnsemble

_RECONNECT_S = 0.3
_NO_ANSWER_S = 1.0
_ORDER_S = 1e-9  # keeps messages in order on a clock that does not


class WireOwner(Client, Protocol):
    """Told by the wire, as a client library tells."""

    def connected(self) -> None:
        """The session lives and the server answers."""

    def suspended(self) -> None:
        """The connection is gone; every request under way has failed."""

    def expired(self) -> None:
        """The session is over; the wire is closed."""


class Wire:
    """From `start` to `stop`: keeps one session at the servers as a client library does."""

    def __init__(self, ensemble: SimulatedEnsemble, owner: WireOwner) -> None:
        self.session = ""
        self.up = False
        self.closing = False
        self.cut = False
        self.paused = False
        self.stale: Records | None = None
        self.extra_up_s = 0.0
        self.extra_down_s = 0.0
        self.lose_next_reply = False
        self._ensemble = ensemble
        self._clock = ensemble.clock
        self._owner = owner
        self._running = False
        self._generation = 0
        self._attached: dict[str, int] = {}  # by session: the connection that the servers take calls from
        self._failing: dict[int, Callable[[], None]] = {}
        self._calls = 0
        self._last_up_s = self._last_down_s = 0.0
        self._heard_s = 0.0
        self._expiries: dict[str, Cancellable] = {}
        self._connecting: Cancellable | None = None
        self._inbox: list[Callable[[], None]] = []

    # --- the client library's doing -------------------------------------------------------------

    def start(self, session: str = "") -> None:
        """Connect, for as long as it takes, and open a session, or resume the one that is named."""
        self._running = True
        self.closing = False
        self.session = session
        self._connect_soon(0.0)

    def stop(self) -> None:
        """Stop without a word: the session is left to the servers. What was sent may still land."""
        if self._running:
            self._running = self.up = False
            self._generation += 1
            self._fail_all()
            if self.session:
                self._expire_later()

    def call(self, work: Callable[[], Any], answer: Callable[[Any], None], failed: Callable[[], None]) -> None:
        """Send a write; it is carried out by `work` at the servers. `failed`: nobody knows."""
        if not self.up:
            self._clock.call_later(0.0, lambda: self.at_client(failed))
            return
        self._calls += 1
        number, generation, session = self._calls, self._generation, self.session
        self._failing[number] = failed
        due = self._ensemble.way_s() + self.extra_up_s
        self._last_up_s = max(self._clock.now() + due, self._last_up_s + _ORDER_S)
        self._clock.call_later(
            self._last_up_s - self._clock.now(),
            lambda: self._arrive(session, generation, number, work, answer),
        )

    def _arrive(
        self,
        session: str,
        generation: int,
        number: int,
        work: Callable[[], Any],
        answer: Callable[[Any], None],
    ) -> None:
        if self.cut or self.stale is not None or self._attached.get(session) != generation:
            return
        self._heard_s = self._clock.now()
        result = work()
        if self.lose_next_reply:
            self.lose_next_reply = False
            self.send_down(self.drop)
            return
        self.send_down(lambda: self._replied(generation, number, lambda: answer(result)))

    def _replied(self, generation: int, number: int, answer: Callable[[], None]) -> None:
        if generation == self._generation and self._failing.pop(number, None) is not None:
            answer()

    def send_down(self, deliver: Callable[[], None], extra_s: float = 0.0) -> None:
        """A message from the servers, behind those sent before it; lost if the connection breaks meanwhile."""
        generation = self._generation
        due = self._ensemble.way_s() + self.extra_down_s + extra_s
        self._last_down_s = max(self._clock.now() + due, self._last_down_s + _ORDER_S)

        def arrived() -> None:
            if not self.cut and generation == self._generation:
                self.at_client(lambda: deliver() if generation == self._generation else None)

        self._clock.call_later(self._last_down_s - self._clock.now(), arrived)

    def at_client(self, deliver: Callable[[], None]) -> None:
        """Run at the client, once its process runs (again)."""
        if self.paused or self._inbox:
            self._inbox.append(deliver)
        else:
            deliver()

    def drop(self) -> None:
        """The client sees that its connection is gone, and starts to connect anew."""
        if not self.up:
            return
        self.up = False
        self._generation += 1
        tell = [self._fail_all, self._owner.suspended]
        if self._ensemble.rng.random() < 0.5:
            tell.reverse()  # a library's two queues: either may be read first
        for one in tell:
            one()
        self._connect_soon(self._ensemble.rng.random() * _RECONNECT_S)

    def _fail_all(self) -> None:
        failing, self._failing = self._failing, {}
        for failed in failing.values():
            failed()

    # --- connecting -----------------------------------------------------------------------------

    def _connect_soon(self, delay_s: float) -> None:
        if self._connecting is not None:
            self._connecting.cancel()
        self._connecting = self._clock.call_later(
            delay_s + self._ensemble.way_s(), lambda: self._connect(self._generation)
        )

    def _connect(self, generation: int) -> None:
        """At the servers: a session is opened, or resumed, or known to be over."""
        self._connecting = None
        if not self._running or self.up or generation != self._generation:
            return
        if self.cut or self.paused or self.stale is not None:
            self._connect_soon(_RECONNECT_S * (0.5 + self._ensemble.rng.random()))
        elif not self.session:
            self.session = self._ensemble.new_session(self._owner)
            self._attach()
        elif self._ensemble.move_session(self.session, self._owner):
            self._attach()
        else:
            self.send_down(self._expired)
            self._connect_soon(_NO_ANSWER_S)

    def _attach(self) -> None:
        self._heard_s = self._clock.now()
        self._keep_alive()
        self._attached[self.session] = self._generation
        self.send_down(self._connected)
        self._connect_soon(_NO_ANSWER_S)  # in case the answer is lost on its way

    def _connected(self) -> None:
        if self._running and not self.up:
            self.up = True
            self._owner.connected()

    def _expired(self) -> None:
        if self._running:
            self._running = self.up = False
            self._generation += 1
            self._fail_all()
            self._owner.expired()

    # --- liveness at the servers ----------------------------------------------------------------

    def _expire_later(self) -> None:
        """The servers hear nothing any more: count from the last ping that they may have heard."""
        if self.session in self._expiries or self.session not in self._ensemble.sessions:
            return
        now, rng, session = self._clock.now(), self._ensemble.rng, self.session
        timeout_s = self._ensemble.session_timeout_s
        earliest = max(self._heard_s, now - timeout_s / 3)
        heard = earliest + (now - earliest) * rng.random()
        due = heard + timeout_s + rng.random() * self._ensemble.tick_s

        def expire() -> None:
            self._expiries.pop(session, None)
            self._ensemble.end_session(session)

        self._expiries[session] = self._clock.call_later(max(0.0, due - now), expire)

    def _keep_alive(self) -> None:
        expiry = self._expiries.pop(self.session, None)
        if expiry is not None:
            expiry.cancel()

    def session_gone(self, session: str) -> None:
        """The servers ended a session: they close its connection, if they can reach the client."""
        attached = self._attached.pop(session, None) is not None  # also while the client does not know it yet
        expiry = self._expiries.pop(session, None)
        if expiry is not None:
            expiry.cancel()
        reachable = attached and not self.cut and self.stale is None
        if reachable and session == self.session and not self.closing:
            self.send_down(self.drop)

    def session_moved(self, session: str) -> None:
        """Another client has resumed this session: its life is no longer this connection's matter."""
        expiry = self._expiries.pop(session, None)
        if expiry is not None:
            expiry.cancel()

    # --- faults ---------------------------------------------------------------------------------

    def disconnect(self, noticed_after_s: float) -> None:
        """Silence both ways; the client sees it after that time at the latest."""
        if self.cut:
            return
        self.cut = True
        self._expire_later()
        generation = self._generation
        self._clock.call_later(noticed_after_s, lambda: self._notice(generation))

    def _notice(self, generation: int) -> None:
        self.at_client(lambda: self.drop() if generation == self._generation else None)

    def reconnect(self) -> None:
        """The silence is over; what was under way is lost all the same."""
        if self.cut:
            self.cut = False
            self._notice(self._generation)

    def go_stale(self, seconds: float) -> None:
        """The client's server is cut off from the others: it answers reads from an old copy, writes hang."""
        self.stale = self._ensemble.records.copy()
        self._expire_later()
        self._clock.call_later(seconds, self._stale_over)

    def _stale_over(self) -> None:
        self.stale = None
        self._notice(self._generation)

    def pause(self) -> None:
        """The client's process stands still: nothing is delivered, no ping is sent."""
        if not self.paused:
            self.paused = True
            self._expire_later()

    def resume(self) -> None:
        """It runs again: first it gets what has waited for it."""
        if not self.paused:
            return
        self.paused = False
        alive = self.session in self._ensemble.sessions
        if alive and not self.cut and self.stale is None:
            self._keep_alive()
        self._clock.call_later(0.0, self._read_inbox)
        if self.session and not alive and self.up:
            generation = self._generation
            self._clock.call_later(self._ensemble.way_s(), lambda: self._notice(generation))

    def _read_inbox(self) -> None:
        while self._inbox and not self.paused:
            self._inbox.pop(0)()

    def reopen_silently(self) -> None:
        """The client library gets a new session by itself, and says nothing (kazoo does)."""
        old, self.session = self.session, ""
        self._ensemble.end_session(old)
        self.session = self._ensemble.new_session(self._owner)
        self._attached[self.session] = self._generation
