"""One failover, and one switchover, from the first sign to the start of the other node's promote hook.

Both end with the roles exchanged and both nodes well, so that the next run goes the other way.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from tests.bench.client import Client
from tests.bench.doors import knocks
from tests.bench.pair import SOON_S, Node, Pair
from tests.bench.phases import CLAIMED, GIVEN_UP, LOCK_FREE, LOCK_WON, first, turns_since
from tests.servers.wait import eventually

KNOCK_S = 10.0
REST_S = 0.35  # until history and member records are written: a failover seldom comes right behind another one


@dataclass(frozen=True, slots=True)
class Moved:
    """One run. `total_ms`: what is measured. `phases`: milliseconds after its beginning."""

    total_ms: float
    phases: dict[str, float] = field(default_factory=dict)


class Mover:
    """Moves the active back and forth."""

    def __init__(self, pair: Pair) -> None:
        self._pair = pair

    def crash(self) -> Moved:
        """Kill the active's service: milliseconds from just before the kill to the other node's promote hook."""
        active, standby = self._settled()
        wall_clock, killed_at = time.time(), active.kill_service()
        demoted_at, promoted_at = knocks([active.demote, standby.promote], KNOCK_S)
        self._pair.serve(standby)
        self._pair.come_back(active)
        self._finish(standby)
        phases = self._phases(active, standby, wall_clock, (demoted_at - killed_at, promoted_at - killed_at))
        return Moved((promoted_at - killed_at) * 1000, phases)

    def switch_over(self, client: Client | None = None) -> Moved:
        """An ordered move: milliseconds from the active's demote hook to the other's promote hook.

        With a `client`, what it sees instead: from the last answer of an active to the first of the next one.
        """
        active, standby = self._settled()
        if client is not None:
            client.watch(active.api, standby.api)
        wall_clock, asked_at = time.time(), time.monotonic()
        active.order("/v1/switchover", {"to": standby.name, "reason": "measured"})
        demoted_at, promoted_at = knocks([active.demote, standby.promote], KNOCK_S)
        gap_ms = (promoted_at - demoted_at) * 1000 if client is None else client.gap_ms(KNOCK_S)
        self._finish(standby)
        phases = self._phases(active, standby, wall_clock, (demoted_at - asked_at, promoted_at - asked_at))
        return Moved(gap_ms, phases)

    def _settled(self) -> tuple[Node, Node]:
        active, standby = self._pair.nodes
        self._pair.wait_for(active, "active")
        self._pair.wait_for(standby, "standby")
        eventually(lambda: not active.has_order(), SOON_S, "the last order has ended")
        time.sleep(REST_S)  # a part of what is measured, not a wait for a fact
        active.demote.listen()
        standby.promote.listen()
        return active, standby

    def _finish(self, new_active: Node) -> None:
        self._pair.wait_for(new_active, "active")
        self._pair.nodes.reverse()

    def _phases(
        self, active: Node, standby: Node, began_at: float, hooks_after_s: tuple[float, float]
    ) -> dict[str, float]:
        """In milliseconds after the beginning: the controllers' own words, and when demote and promote knocked."""
        left, came = turns_since(began_at, active.status()), turns_since(began_at, standby.status())
        moments = {
            "death_seen": first(left, *GIVEN_UP),
            "handed_over": first(left, "demoting"),
            "lock_free_seen": first(came, *LOCK_FREE),
            "lock_won": first(came, *LOCK_WON),
            "claimed": first(came, *CLAIMED),
        }
        phases = {name: (at - began_at) * 1000 for name, at in moments.items()}
        knocked = {name: at * 1000 for name, at in zip(("demote_hook", "promote_hook"), hooks_after_s, strict=True)}
        return dict(sorted((phases | knocked).items(), key=lambda item: item[1]))
