"""S6: the lease, which demotes fit into it, and how long a failover may take."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config import FailoverTiming, LeaseTiming, failover_timing, lease_timing
from config.timing import METHOD_GRACE_S, longest_demote_s, longest_tick_s, reckon, renewal_room_s, shortest_session_s
from fencing.chain import LAST_WORD_S
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


@pytest.mark.parametrize(("on_loss", "room_s"), [("step_down", 1.0), ("hold", 2.0)])
def test_a_renewal_may_stay_unanswered_until_a_step_down_begins_or_the_lock_is_in_doubt(
    files: Files, on_loss: str, room_s: float
) -> None:
    config = files.load(GOOD).model_copy(update={"on_store_loss": on_loss})
    assert renewal_room_s(config, 6.0) == pytest.approx(room_s)


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


@given(SESSIONS, DEMOTES)
def test_the_longest_tick_that_is_advised_is_safe_and_steady(session_s: float, demote_s: float) -> None:
    tick_s = longest_tick_s(session_s, demote_s)
    if tick_s > 0:
        timing = reckon(session_s, tick_s, demote_s)
        assert timing.is_safe
        assert timing.is_steady


def timing_of(files: Files, *, session_s: float = 6.0, **texts: str) -> FailoverTiming:
    """The good file with a head start of 1 s (the default), and other texts in place of some of its own."""
    text = GOOD
    for old, new in texts.items():
        text = text.replace(PLACES[old], new)
    return failover_timing(files.load(text), session_s)


PLACES = {
    "probes": "  - {kind: tcp, port: 5432}",
    "fencing": '    power: {kind: command, run: [/bin/sh, "{node.bmc}"]}',
    "promote": "promote: {run: /bin/sh}",
}
TWO_METHODS = """\
    ask: {kind: command, run: /bin/sh, timeout: 5s}
    power: {kind: command, run: [/bin/sh, "{node.bmc}"], timeout: 20s}"""


def test_a_hung_service_costs_detection_demote_head_start_fence_and_promote(files: Files) -> None:
    timing = timing_of(
        files,
        probes="  - {kind: tcp, port: 5432, every: 500ms, timeout: 400ms, fall: 3}",
        fencing=TWO_METHODS,
        promote="promote: {run: /bin/sh, timeout: 7s}",
    )
    assert timing.detect_hang_s == pytest.approx(3 * 0.5 + 0.4)
    assert timing.fence_s == pytest.approx(5.25 + 20.25)
    assert timing.hung_s == pytest.approx(1.9 + 1.0 + 1.0 + 25.5 + 7.0)


def test_the_slowest_probe_that_asks_counts_and_one_that_is_told_counts_for_a_crash_only(files: Files) -> None:
    watched = "  - {kind: process, pidfile: /run/x, every: 9s}\n"
    quick, slow = "  - {kind: tcp, port: 1, every: 1s}\n", "  - {kind: tcp, port: 2, every: 4s, timeout: 2s}\n"
    timing = timing_of(files, probes=watched + quick + slow)
    assert (timing.detect_crash_s, timing.detect_hang_s) == (0.0, 2 * 4.0 + 2.0)
    polled = timing_of(files, probes=quick)
    assert polled.detect_crash_s == polled.detect_hang_s == 2.5
    told = timing_of(files, probes=watched)
    assert told.hung_s is None
    assert "a hung service is never seen" in told.said()


def test_a_lost_host_costs_the_granted_session_its_late_end_the_fence_and_promote(files: Files) -> None:
    for session_s in (6.0, 12.0):
        timing = timing_of(files, session_s=session_s, fencing=TWO_METHODS)
        assert timing.host_lost_s == pytest.approx(session_s + 1.5 * 2.0 + 1.0 + 25.5 + 60.0)
        assert timing.worst_case_s == max(timing.crash_s, timing.hung_s or 0.0, timing.host_lost_s)


def test_the_whole_chains_deadline_is_the_most_that_its_levels_take(files: Files) -> None:
    timing = timing_of(files, fencing=f"{TWO_METHODS}\n  timeout: 22s")
    assert timing.fence_s == 22.0


def test_a_method_that_is_tried_in_two_levels_takes_its_time_twice(files: Files) -> None:
    timing = timing_of(files, fencing=f"{TWO_METHODS}\n  levels: [[ask], [ask, power]]")
    assert timing.fence_s == pytest.approx(2 * 5.25 + 20.25)


def test_a_method_that_is_tried_several_times_takes_its_time_as_often(files: Files) -> None:
    once = timing_of(files, fencing=TWO_METHODS)
    twice = TWO_METHODS.replace("timeout: 20s", "timeout: 20s, attempts: 2")
    assert twice != TWO_METHODS
    assert timing_of(files, fencing=twice).fence_s == pytest.approx(once.fence_s + 20.25)


def test_the_margin_of_a_step_down_is_what_a_renewal_may_take_and_none_is_left_where_it_is_unsteady(
    files: Files,
) -> None:
    config = files.load(f"{GOOD}on_store_loss: step_down\n")
    margins = {session_s: failover_timing(config, session_s).step_down_margin_s for session_s in (6.0, 4.0)}
    assert margins[6.0] == pytest.approx(1.0), "from the next renewal at 1 s until the demote must begin at 2 s"
    assert margins[4.0] is not None
    assert margins[4.0] < 0, "S6: a granted session that is too short"
    assert not lease_timing(config, 4.0).is_steady
    assert "step-down margin 1.0 s" in failover_timing(config, 6.0).said()
    assert failover_timing(files.load(GOOD), 6.0).step_down_margin_s is None


def test_the_grace_of_a_fence_method_is_the_chains_own() -> None:
    assert METHOD_GRACE_S == LAST_WORD_S
