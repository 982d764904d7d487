"""When a session leaves a silent server in haste, and how long it dials each of the others: the decision itself."""

from __future__ import annotations

import math

import pytest

from failover.stores.zookeeper.patience import Patience


def patience(servers: int = 3, room_s: float = 3.0, session_s: float = 6.0) -> Patience:
    """Connected, and no answer was ever slow."""
    made = Patience(servers, session_s, lambda _: room_s)
    made.connected(session_s, 0.0)
    return made


def test_a_silent_server_is_left_after_a_third_of_the_time_that_a_renewal_may_take() -> None:
    assert patience(room_s=3.0).silence_s(100.0) == pytest.approx(1.0)


@pytest.mark.parametrize(("servers", "dead_further"), [(3, 0), (4, 0), (5, 1), (7, 2), (9, 3), (32, 14)])
def test_there_is_time_for_every_further_dead_server_of_a_minority_and_for_an_answer(
    servers: int, dead_further: int
) -> None:
    made = patience(servers, room_s=12.0, session_s=18.0)
    dials = sum(made.attempt_s(number) for number in range(dead_further))
    assert made.silence_s(0.0) + dials < 12.0


def test_the_time_is_reckoned_with_the_session_that_was_granted() -> None:
    made = Patience(3, 6.0, lambda session_s: session_s / 2)
    made.connected(12.0, 0.0)
    assert made.silence_s(0.0) == pytest.approx(2.0)


@pytest.mark.parametrize("room_s", [0.1, -5.0])
def test_a_pause_as_for_garbage_is_no_death_even_where_a_step_down_leaves_no_time(room_s: float) -> None:
    assert patience(room_s=room_s).silence_s(0.0) == pytest.approx(0.3)
    assert patience(room_s=room_s).attempt_s("a") == pytest.approx(0.3)


def test_a_server_that_answers_slowly_is_given_twice_as_long_as_it_has_lately_taken() -> None:
    made = patience(room_s=3.0)
    made.answered(0.9)
    assert made.silence_s(0.0) == pytest.approx(1.8)
    made.answered(0.001)
    assert made.silence_s(0.0) == pytest.approx(1.62)
    for _ in range(20):
        made.answered(0.001)
    assert made.silence_s(0.0) == pytest.approx(1.0), "it has been quick for a while"


def test_a_server_that_was_slow_to_take_the_session_may_be_slow_afterwards() -> None:
    made = patience(room_s=3.0)
    made.connected(6.0, 0.8)
    assert made.silence_s(0.0) == pytest.approx(1.6)


def test_no_server_is_given_more_than_half_of_the_session() -> None:
    made = patience(session_s=6.0)
    made.answered(5.0)
    assert made.silence_s(0.0) == pytest.approx(3.0)


def test_after_a_server_was_left_in_haste_no_other_is_for_three_sessions() -> None:
    made = patience(session_s=6.0)
    made.left(100.0)
    made.connected(6.0, 0.0)
    assert made.silence_s(117.9) == math.inf
    assert made.silence_s(118.0) == pytest.approx(1.0)


def test_with_one_server_only_nobody_is_ever_in_haste() -> None:
    made = patience(servers=1)
    assert made.silence_s(0.0) == math.inf
    assert made.attempt_s("a") == pytest.approx(2.0)


def test_without_a_lease_to_lose_nobody_is_ever_in_haste() -> None:
    made = Patience(3, 6.0, None)
    made.connected(6.0, 0.0)
    assert made.silence_s(0.0) == math.inf
    assert made.attempt_s("a") == pytest.approx(1.0)


def test_the_first_connection_of_all_takes_its_time() -> None:
    made = Patience(3, 30.0, lambda _: 3.0)
    assert made.attempt_s("a") == pytest.approx(30 / 9)


def test_a_server_that_was_dialled_in_haste_in_vain_has_the_usual_time_next() -> None:
    made = patience(room_s=1.5)
    assert [made.attempt_s(server) for server in "abab"] == pytest.approx([0.5, 0.5, 1.0, 1.0])
    made.connected(6.0, 0.0)
    assert made.attempt_s("a") == pytest.approx(0.5)


def test_haste_never_takes_longer_than_the_usual_time() -> None:
    assert patience(room_s=30.0, session_s=6.0).attempt_s("a") == pytest.approx(1.0)
