"""The chain: levels in order, all methods of a level, deadlines, and a proven lock before every strike (S7)."""

import asyncio
from collections.abc import Sequence

import pytest

from failover.core.values import Node, Verdict
from failover.ports.service import Result, Strike, Traits
from fencing.chain import LONGEST_DETAIL, Chain, EmptyBook, OwnNodeStruck, StrikeRecord
from tests.fencing.strikes import OWN, Scripted, strike
from tests.servers.wait import eventually_async

DONE, NOT_DONE, UNKNOWN = Verdict.DONE, Verdict.NOT_DONE, Verdict.UNKNOWN


async def proven() -> bool:
    return True


def chain_of(levels: Sequence[Sequence[Scripted]], timeout_s: float = 10.0) -> Chain:
    methods = {method.name: method for level in levels for method in level}
    return Chain(methods, [[method.name for method in level] for level in levels], timeout_s, OWN)


def ran(*levels: Sequence[Scripted], timeout_s: float = 10.0) -> Result:
    return asyncio.run(chain_of(levels, timeout_s).run(strike(), proven))


@pytest.mark.parametrize(
    ("first", "second", "verdict"),
    [
        (DONE, NOT_DONE, DONE),
        (NOT_DONE, DONE, DONE),
        (UNKNOWN, DONE, DONE),
        (NOT_DONE, NOT_DONE, NOT_DONE),
        (NOT_DONE, UNKNOWN, UNKNOWN),
        (UNKNOWN, NOT_DONE, UNKNOWN),
        (UNKNOWN, UNKNOWN, UNKNOWN),
    ],
)
def test_the_first_level_that_is_done_ends_the_chain(first: Verdict, second: Verdict, verdict: Verdict) -> None:
    """S5: not done only if every level said so definitely."""
    one, two = Scripted("one", first), Scripted("two", second)
    assert ran([one], [two]).verdict is verdict
    assert two.struck == (0 if first is DONE else 1)


@pytest.mark.parametrize(
    ("verdicts", "verdict", "struck"),
    [
        ((DONE, DONE), DONE, 2),
        ((DONE, NOT_DONE), NOT_DONE, 2),
        ((DONE, UNKNOWN), UNKNOWN, 2),
        ((NOT_DONE, DONE), NOT_DONE, 1),
    ],
)
def test_in_a_level_every_method_must_answer_done(verdicts: tuple[Verdict, ...], verdict: Verdict, struck: int) -> None:
    """Both power supplies, say."""
    level = [Scripted(f"pdu{number}", said) for number, said in enumerate(verdicts)]
    assert ran(level).verdict is verdict
    assert sum(method.struck for method in level) == struck


def test_a_chain_without_levels_knows_nothing() -> None:
    assert ran().verdict is UNKNOWN


def test_the_detail_names_every_method_and_its_verdict() -> None:
    result = ran([Scripted("ask", UNKNOWN)], [Scripted("power", DONE)])
    assert result.detail == "ask: unknown (ask said so); power: done (power said so)"


def test_a_method_is_tried_as_often_as_it_may() -> None:
    power = Scripted("power", NOT_DONE, NOT_DONE, DONE, traits=Traits(attempts=3))
    chain = chain_of([[power]])
    assert asyncio.run(chain.run(strike(), proven)).verdict is DONE
    assert power.struck == 3


def test_a_try_that_may_have_gone_half_way_leaves_a_doubt() -> None:
    power = Scripted("power", UNKNOWN, NOT_DONE, traits=Traits(attempts=2))
    assert asyncio.run(chain_of([[power]]).run(strike(), proven)).verdict is UNKNOWN


def test_a_method_is_ended_at_its_deadline_and_is_unknown() -> None:
    stuck, power = Scripted("ask", DONE, timeout_s=0.1, hangs=True), Scripted("power", DONE, traits=Traits(attempts=3))
    result = ran([stuck], [power])
    assert result.verdict is DONE
    assert result.detail.startswith("ask: unknown (did not end in 0.1 s)")
    assert stuck.ended == 1


def test_the_whole_chain_has_a_deadline() -> None:
    one, two = Scripted("one", DONE, timeout_s=60.0, hangs=True), Scripted("two", DONE)
    result = ran([one], [two], timeout_s=0.2)
    assert (result.verdict, one.ended, two.struck) == (UNKNOWN, 1, 0)
    assert "the chain's 0.2 s have passed" in result.detail


def test_the_lock_is_proven_before_every_strike() -> None:
    asked = 0

    async def prove() -> bool:
        nonlocal asked
        asked += 1
        return asked < 3

    methods = [Scripted("one", NOT_DONE), Scripted("two", NOT_DONE), Scripted("three", DONE)]
    result = asyncio.run(chain_of([[method] for method in methods]).run(strike(), prove))
    assert result.verdict is UNKNOWN
    assert "the lock is in doubt" in result.detail
    assert [method.struck for method in methods] == [1, 1, 0]


def test_the_lock_is_proven_before_every_further_attempt_too() -> None:
    answers = iter([True, False])

    async def prove() -> bool:
        return next(answers)

    power = Scripted("power", NOT_DONE, traits=Traits(attempts=3))
    assert asyncio.run(chain_of([[power]]).run(strike(), prove)).verdict is UNKNOWN
    assert power.struck == 1


def test_a_proof_that_never_comes_is_no_proof() -> None:
    async def prove() -> bool:
        await asyncio.Event().wait()
        return True

    power = Scripted("power", DONE)
    result = asyncio.run(chain_of([[power]], timeout_s=0.1).run(strike(), prove))
    assert (result.verdict, power.struck) == (UNKNOWN, 0)


def test_a_node_never_strikes_itself() -> None:
    power = Scripted("power", DONE)
    with pytest.raises(OwnNodeStruck, match="db1 was to fence itself"):
        asyncio.run(chain_of([[power]]).run(strike(OWN), proven))
    assert power.struck == 0


def test_another_machine_of_the_same_name_is_another_node() -> None:
    power = Scripted("power", DONE)
    result = asyncio.run(chain_of([[power]]).run(strike(Node(OWN.name, "machine-0")), proven))
    assert (result.verdict, power.struck) == (DONE, 1)


def test_cancelling_ends_the_running_strike() -> None:
    """A running strike is ended when the session is in doubt."""

    async def story() -> None:
        power = Scripted("power", DONE, timeout_s=60.0, hangs=True)
        run = asyncio.create_task(chain_of([[power]], timeout_s=60.0).run(strike(), proven))
        await eventually_async(lambda: power.struck == 1, 5.0, "it strikes")
        run.cancel()
        with pytest.raises(asyncio.CancelledError):
            await run
        assert power.ended == 1

    asyncio.run(story())


def test_cancelling_while_a_strike_is_ended_at_its_deadline_waits_for_its_end() -> None:
    """S4: the next strike may begin only once this one is gone."""

    class Slow(Scripted):
        """Takes its time to end."""

        async def fence(self, told: Strike) -> Result:
            self.may_end = asyncio.Event()
            try:
                return await super().fence(told)
            finally:
                self.struck += 1
                await self.may_end.wait()
                self.ended += 1

    async def story() -> None:
        power = Slow("power", DONE, timeout_s=0.01, hangs=True)
        run = asyncio.create_task(chain_of([[power]], timeout_s=60.0).run(strike(), proven))
        await eventually_async(lambda: power.struck == 2, 5.0, "its deadline has come")
        run.cancel()
        await asyncio.sleep(0.02)
        assert not run.done(), "it has not ended yet"
        power.may_end.set()
        with pytest.raises(asyncio.CancelledError):
            await run
        assert power.ended == 2

    asyncio.run(story())


def test_every_strike_is_told_to_the_book_with_bounded_words() -> None:
    told: list[StrikeRecord] = []

    class Noting(EmptyBook):
        def struck(self, record: StrikeRecord) -> None:
            told.append(record)

    methods = {"ask": Scripted("ask", UNKNOWN), "power": Scripted("power", DONE), "x": Scripted("x" * 3000, NOT_DONE)}
    chain = Chain(methods, [["ask"], ["x"], ["power"]], 10.0, OWN, Noting())
    asyncio.run(chain.run(strike(), proven))
    assert [(s.target, s.epoch, s.level, s.method[:5], s.verdict) for s in told] == [
        ("db2", 42, 1, "ask", UNKNOWN),
        ("db2", 42, 2, "xxxxx", NOT_DONE),
        ("db2", 42, 3, "power", DONE),
    ]
    assert max(len(record.detail) for record in told) == LONGEST_DETAIL
