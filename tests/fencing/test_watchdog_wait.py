"""`kind: watchdog_wait`, and the arithmetic behind it."""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.self_fencing import DRIFT, K_ALONE, K_GUARDED, Promise, promised
from failover.core.values import Verdict
from failover.ports.service import Strike
from fencing.watchdog.wait import WatchdogWait
from tests.fencing.strikes import strike

PUBLISHED = {"armed": True, "timeout_s": 10, "lease_max_age_s": 2.0, "k": 2, "epsilon_s": 1.0}


def told(watchdog: object, held_ago_s: float | None = 0.0) -> Strike:
    asked = strike()
    extra: Mapping[str, object] = {} if watchdog is None else {"watchdog": watchdog}
    now_s = time.clock_gettime(time.CLOCK_BOOTTIME)
    held_s = None if held_ago_s is None else now_s - held_ago_s
    return replace(asked, target=replace(asked.target, extra=extra), held_s=held_s)


def waiter(own: Promise | None = None, timeout_s: float = 120.0, minimum_s: float = 1.0) -> WatchdogWait:
    return WatchdogWait("wait", timeout_s, 1, minimum_s, own)


def test_done_once_the_time_has_passed() -> None:
    result = asyncio.run(waiter().fence(told(PUBLISHED, held_ago_s=23.03)))
    assert result.verdict is Verdict.DONE
    assert "has had 23.0 s" in result.detail


def test_not_before_that() -> None:
    async def story() -> None:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(waiter().fence(told(PUBLISHED, held_ago_s=20.0)), 0.3)

    asyncio.run(story())


@pytest.mark.parametrize(
    ("watchdog", "words"),
    [
        (None, "has published no watchdog"),
        ({"armed": False, "why": "busy"}, "without an armed watchdog (busy)"),
        ({**PUBLISHED, "timeout_s": float("nan")}, "cannot be understood"),
        ({**PUBLISHED, "timeout_s": "10"}, "cannot be understood"),
        ({**PUBLISHED, "k": 1}, "cannot be understood"),
        ({"armed": True}, "cannot be understood"),
        ("yes", "has published no watchdog"),
    ],
)
def test_without_a_promise_it_is_unknown_at_once(watchdog: object, words: str) -> None:
    result = asyncio.run(waiter().fence(told(watchdog, held_ago_s=1000.0)))
    assert result.verdict is Verdict.UNKNOWN
    assert words in result.detail


def test_without_the_lock_it_is_unknown() -> None:
    assert asyncio.run(waiter().fence(told(PUBLISHED, held_ago_s=None))).verdict is Verdict.UNKNOWN


def test_the_longer_promise_and_the_minimum_count() -> None:
    own = waiter(own=Promise(30, 1.0))
    assert own.plan(told(PUBLISHED))[0].value.startswith("63.1 s")
    assert waiter(minimum_s=90.0).plan(told(PUBLISHED))[0].value.startswith("90.0 s")


def test_a_wait_that_cannot_end_in_time_is_not_begun() -> None:
    result = asyncio.run(waiter(timeout_s=20).fence(told(PUBLISHED)))
    assert (result.verdict, "raise it" in result.detail) == (Verdict.UNKNOWN, True)


def test_a_probe_knows_only_of_an_active() -> None:
    verdicts = [asyncio.run(waiter().probe(told(watchdog))).verdict for watchdog in (None, PUBLISHED, {"armed": False})]
    assert verdicts == [Verdict.UNKNOWN, Verdict.DONE, Verdict.NOT_DONE]


seconds = st.floats(0.1, 100)


@given(watchdog=st.integers(1, 60), age=seconds, guarded=st.booleans(), late=st.floats(0, 1),
       rate=st.floats(-DRIFT, DRIFT), lost=st.floats(0, 100))  # fmt: skip
def test_whoever_waits_x_finds_the_host_down(
    watchdog: int, age: float, guarded: bool, late: float, rate: float, lost: float
) -> None:
    """The worst host, pet by pet. Times count from its last renewal, on its own clock; the waiter's runs at `rate`."""
    promise = Promise(watchdog, age, K_GUARDED if guarded else K_ALONE)
    pets = [late * age]  # a regular one
    pets.append(pets[-1] + watchdog)  # its thread stood still between look and pet, until just before the dog fires
    if not guarded:
        pets.append(pets[-1] + watchdog)  # and was killed just before the dog fires: the kernel's own
    down = pets[-1] + watchdog + promise.epsilon_s
    assert (1 + rate) * lost + promise.wait_s >= (1 + rate) * down - 1e-9  # `lost`: when the lock was held
    assert promise.down_s - down <= (1 - late) * age + 1e-9  # and not a second longer than that host needs


@given(watchdog=st.integers(1, 60), age=seconds, session=st.floats(1, 300), tick=st.floats(0.1, 5))
def test_form_a_means_down_before_the_lock_goes(watchdog: int, age: float, session: float, tick: float) -> None:
    every = session / 6
    promise = Promise(watchdog, age)
    longest = promise.longest_watchdog_s(session, every, tick)
    if longest > 0:
        assert replace(promise, watchdog_s=longest).no_wait(session + 1e-3, every, tick)
    assert not replace(promise, watchdog_s=longest + 1).no_wait(session - 1e-3, every, tick)


def test_what_is_published_is_read_back() -> None:
    assert promised(PUBLISHED) == Promise(10.0, 2.0, 2, 1.0)
