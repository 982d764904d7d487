"""A pause that has an end is ended by whoever sees that it is over; nothing else ends it."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from failover.core.state import State
from failover.core.values import Control, Identity, Node, Pause, Session, Settings
from failover.ports.controller import OrderRefused
from failover.runtime.pausing import AGAIN_S, PauseEnds

UNTIL = "2024-05-01T05:30:00+00:00"
UNTIL_S = 1714541400.0
PAUSE = Pause("dora", "upgrade", "2024-05-01T03:30:00+00:00", UNTIL)


class Standing:
    """The control record as a controller sees it, its clocks, and a store that may refuse."""

    def __init__(self, pause: Pause | None = PAUSE, connected: bool = True) -> None:
        session = Session("s", 6.0) if connected else None
        self.state = replace(State(Identity(Node("a", "m"), "boot"), Settings()), session=session, connected=connected)
        self.state = replace(self.state, control=Control(1, pause=pause))
        self.wall_s, self.now_s, self.refuses = UNTIL_S, 100.0, False
        self.ended: list[Pause] = []
        self.ends = PauseEnds(lambda: self.state, self._end, lambda: self.now_s, lambda: self.wall_s)

    async def _end(self, pause: Pause) -> Control:
        self.ended.append(pause)
        if self.refuses:
            raise OrderRefused("store", "the store does not answer", 503)
        if self.state.control.pause == pause:  # as `Orders.end_pause` has it
            self.state = replace(self.state, control=Control(2))
        return self.state.control


def test_a_pause_is_ended_when_its_time_has_come_and_not_before() -> None:
    standing = Standing()
    standing.wall_s = UNTIL_S - 0.1
    assert not standing.ends.due()
    standing.wall_s = UNTIL_S
    assert standing.ends.due() == PAUSE
    asyncio.run(standing.ends.end(PAUSE))
    assert standing.ended == [PAUSE]
    assert not standing.ends.due()


@pytest.mark.parametrize("pause", [None, replace(PAUSE, until=""), replace(PAUSE, until="at noon")])
def test_a_pause_without_an_end_that_can_be_read_is_left_alone(pause: Pause | None) -> None:
    assert not Standing(pause).ends.due()


def test_nobody_ends_a_pause_that_he_sees_only_in_memory() -> None:
    assert not Standing(connected=False).ends.due(), "with the store away the record may be another one by now"


def test_an_end_that_could_not_be_written_is_tried_again_after_a_while(caplog: pytest.LogCaptureFixture) -> None:
    standing = Standing()
    standing.refuses = True
    asyncio.run(standing.ends.end(PAUSE))
    assert "could not be ended: the store does not answer" in caplog.text
    assert not standing.ends.due()
    standing.now_s += AGAIN_S
    assert standing.ends.due() == PAUSE


def test_another_pause_that_is_given_before_the_end_is_written_stays_and_nothing_else_is_said(
    caplog: pytest.LogCaptureFixture,
) -> None:
    standing = Standing()
    over, longer = standing.ends.due(), replace(PAUSE, by="rita", until="2024-05-01T09:30:00+00:00")
    assert over is not None
    standing.state = replace(standing.state, control=Control(2, pause=longer))
    asyncio.run(standing.ends.end(over))
    assert standing.ended == [PAUSE], "only the one whose time has come"
    assert standing.state.control.pause == longer
    assert "automatic moves are on again" not in caplog.text


def test_the_end_of_the_next_pause_does_not_wait_for_the_try_before_it() -> None:
    standing = Standing()
    asyncio.run(standing.ends.end(PAUSE))
    standing.state = replace(standing.state, control=Control(3, pause=replace(PAUSE, reason="again")))
    assert standing.ends.due() == replace(PAUSE, reason="again")
