"""S6: the lease, and which demotes fit into it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config import LeaseTiming, lease_timing
from config.timing import longest_demote_s, reckon, shortest_session_s
from tests.config.conftest import GOOD, Files

SESSIONS = st.integers(min_value=4, max_value=600).map(lambda tenths: tenths / 10)
TICKS = st.integers(min_value=1, max_value=50).map(lambda tenths: tenths / 10)
DEMOTES = st.integers(min_value=1, max_value=600).map(lambda tenths: tenths / 10)


def test_the_lease_of_the_designs_example(files: Files) -> None:
    config = files.load(GOOD)
    assert lease_timing(config, 6.0) == LeaseTiming(
        renew_every_s=1.0, lease_s=3.0, demote_must_start_by_s=2.0, margin_s=3.0
    )


def test_the_lease_follows_what_the_servers_granted_not_what_was_asked(files: Files) -> None:
    config = files.load(GOOD)
    assert lease_timing(config, 4.0).lease_s == pytest.approx(4.0 - 4.0 / 6 - 2.0)
    assert not lease_timing(config, 3.0).is_safe
    assert lease_timing(config, 4.0).is_safe
    assert not lease_timing(config, 4.0).is_steady


def test_a_local_store_has_no_tick(files: Files) -> None:
    text = GOOD.replace("kind: zookeeper\n  hosts: [zk1:2181]", "kind: local\n  path: /tmp/x")
    assert lease_timing(files.load(text), 6.0).margin_s == 1.0


@given(SESSIONS, TICKS, DEMOTES)
def test_a_safe_demote_ends_before_the_lock_can_be_anothers(session_s: float, tick_s: float, demote_s: float) -> None:
    timing = reckon(session_s, tick_s, demote_s)
    if timing.is_safe:
        ends_s = timing.demote_must_start_by_s + demote_s
        assert ends_s <= session_s - (timing.renew_every_s + tick_s) + 1e-9


@given(SESSIONS, TICKS)
def test_the_longest_demote_that_is_advised_is_safe_and_steady(session_s: float, tick_s: float) -> None:
    longest_s = longest_demote_s(session_s, tick_s)
    if longest_s > 0:
        timing = reckon(session_s, tick_s, longest_s)
        assert timing.is_safe
        assert timing.is_steady


@given(TICKS, DEMOTES)
def test_the_shortest_session_that_is_advised_is_safe_and_steady(tick_s: float, demote_s: float) -> None:
    timing = reckon(shortest_session_s(tick_s, demote_s), tick_s, demote_s)
    assert timing.is_safe
    assert timing.is_steady
