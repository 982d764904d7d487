"""Giving back what a fence took: bounded, in the background, called off when another is active."""

from __future__ import annotations

import asyncio

import pytest

from failover.core.values import Verdict
from failover.ports.fences import Restoring
from failover.ports.service import Result, Strike, Traits
from failover.runtime.restoring import MOST_TRIES, Restorer
from tests.fencing.strikes import Scripted, strike
from tests.servers.wait import eventually_async

TAKES = Traits(restores=True, power=True)
WALL = "2024-05-01T03:00:00Z"


class Returning(Scripted):
    """Gives back at the `at`th try."""

    def __init__(self, at: int) -> None:
        super().__init__("bmc", traits=TAKES, timeout_s=5.0)
        self._at = at

    async def restore(self, told: Strike) -> Result:
        self.restored += 1
        done = self.restored >= self._at
        return Result(Verdict.DONE if done else Verdict.UNKNOWN, "on" if done else "no answer")


async def proven() -> bool:
    return True


def restorer(ended: list[Restoring], pause_s: float = 0.0) -> Restorer:
    return Restorer(lambda: WALL, ended.append, pause_s)


@pytest.mark.parametrize(("at", "state", "tries"), [(1, "done", 1), (3, "done", 3), (99, "given_up", MOST_TRIES)])
def test_it_is_tried_until_it_is_done_or_given_up_in_words(at: int, state: str, tries: int) -> None:
    async def tell() -> None:
        ended: list[Restoring] = []
        made, method = restorer(ended), Returning(at)
        made.begin(strike(), [method, Scripted("stop")], proven)
        await eventually_async(lambda: ended, 5.0, "it ends")
        (one,) = ended
        assert (one.node, one.method, one.state, one.tries) == ("db2", "bmc", state, tries)
        assert made.restores() == (one,)
        assert ("tried 6 times: no answer" in one.detail) == (state == "given_up")
        await made.close()

    asyncio.run(tell())


def test_it_is_called_off_when_this_node_is_not_active_any_more() -> None:
    async def tell() -> None:
        ended: list[Restoring] = []
        made, method = restorer(ended, pause_s=60.0), Returning(99)
        made.begin(strike(), [method], proven)
        await eventually_async(lambda: method.restored == 1, 5.0, "the first try is over")
        made.call_off("db1 is not active any more")
        await made.close()
        assert ([one.state for one in made.restores()], ended, method.restored) == (["called_off"], [], 1)

    asyncio.run(tell())


def test_what_would_say_the_same_again_is_given_up_at_once_and_in_its_own_words() -> None:
    class TooOld(Returning):
        async def restore(self, told: Strike) -> Result:
            self.restored += 1
            return Result(Verdict.NOT_DONE, "its helper knows no restore", final=True)

    async def tell() -> None:
        ended: list[Restoring] = []
        made, method = restorer(ended, pause_s=60.0), TooOld(99)
        made.begin(strike(), [method], proven)
        await eventually_async(lambda: ended, 5.0, "it ends")
        (one,) = ended
        assert (one.state, one.tries, one.detail) == ("given_up", 1, "its helper knows no restore")
        assert method.restored == 1
        await made.close()

    asyncio.run(tell())


def test_nothing_is_given_back_by_who_cannot_prove_the_lock_just_then() -> None:
    async def tell() -> None:
        asked: list[bool] = []

        async def proven_at_the_third_time() -> bool:
            asked.append(len(asked) == 2)
            return asked[-1]

        ended: list[Restoring] = []
        made, method = restorer(ended), Returning(1)
        made.begin(strike(), [method], proven_at_the_third_time)
        await eventually_async(lambda: ended, 5.0, "it ends")
        assert (ended[0].state, ended[0].tries, method.restored, asked) == ("done", 3, 1, [False, False, True])
        await made.close()

    asyncio.run(tell())
