"""What is told of timing: at the start, and again only when the servers grant what makes it another."""

import logging

import pytest

from failover.runtime.timetable import Timetable, Told


def told(session_s: float) -> Told:
    return f"worst-case failover {session_s + 1:g} s", {"worst_case_failover_s": session_s + 1}


def test_another_granted_session_is_told_with_both_and_the_same_one_is_not_told_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    timetable = Timetable(told, 6.0)
    timetable.begin()
    assert timetable.figures == {"worst_case_failover_s": 7.0}
    for granted_s in (6.0, 4.0, 4.0, 6.0):
        timetable.granted(granted_s)
        assert timetable.figures == {"worst_case_failover_s": granted_s + 1}
    assert caplog.messages == [
        "worst-case failover 7 s",
        "the store granted a session of 4 s, not 6 s: worst-case failover 5 s",
        "the store granted a session of 6 s, not 4 s: worst-case failover 7 s",
    ]
