"""For how long the client of a session waits for its servers: when it leaves a silent one, and how long it dials each.

Times are CLOCK_MONOTONIC in seconds and come from outside. Deliberately unknown here: sockets, and what was asked.
"""

from __future__ import annotations

import math
from collections.abc import Callable

LONGEST_SILENCE = 0.5  # of the session's time-out: the rest is for finding another server
_SHORTEST_SHARE_S = 0.3  # a collection of garbage or a slow disk is no death
_SHORTEST_ATTEMPT_S = 1.0
_CALM = 3.0  # session time-outs from one server left in haste to the next
_FADING = 0.9  # of what is remembered of slowness, with each answer

Room = Callable[[float], float]
"""For how many seconds a renewal may go unanswered before something happens, under a session of that time-out."""


class Patience:
    """Of one client. Without `room`, or with one server only, it is never in haste."""

    def __init__(self, servers: int, session_s: float, room: Room | None) -> None:
        """`servers`: how many are configured. `session_s`: what is asked for."""
        self._servers = servers
        self._room = room if servers > 1 else None
        self._usual_s = max(_SHORTEST_ATTEMPT_S, session_s / 3 / servers)
        self._session_s = 0.0  # as granted; 0 before the first connection
        self._share_s = math.inf
        self._slowest_s = 0.0
        self._left_at_s = -math.inf
        self._dialled: set[object] = set()

    def silence_s(self, now_s: float) -> float:
        """How long the server may have been silent, with requests waiting, before it is left in haste; inf: for ever.

        A share; but twice the longest silence that has lately ended with an answer, for a server that answers slowly
        lives; and no two servers in `_CALM` session time-outs: where all are silent it is not the server's fault.
        """
        if self._room is None or now_s - self._left_at_s < _CALM * self._session_s:
            return math.inf
        return min(LONGEST_SILENCE * self._session_s, max(self._share_s, 2 * self._slowest_s))

    def answered(self, after_s: float) -> None:
        """Something came from the server, after that long a silence with requests waiting."""
        self._slowest_s = max(after_s, _FADING * self._slowest_s)

    def left(self, now_s: float) -> None:
        """The server was left in haste."""
        self._left_at_s = now_s

    def attempt_s(self, server: object) -> float:
        """How long to dial it now, and to wait for its first word.

        After a connection was lost each server has one share; whoever did not manage in that has the usual time next.
        """
        if self._room is None or self._session_s == 0.0 or server in self._dialled:
            return self._usual_s
        self._dialled.add(server)
        return min(self._usual_s, self._share_s)

    def connected(self, session_s: float, after_s: float) -> None:
        """A server has taken the session, and granted that time-out; it was dialled `after_s` before.

        The time between a renewal that is sent and what follows if it stays unanswered is parted: one share is for the
        silent server, one for each further server that may be dead while a majority lives, one for the answer of the
        next; three at least.
        """
        self._session_s = session_s
        if self._room is not None:
            shares = max(3, (self._servers - 1) // 2 + 1)
            self._share_s = max(_SHORTEST_SHARE_S, self._room(session_s) / shares)
        self._slowest_s = after_s
        self._dialled.clear()
