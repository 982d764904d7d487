"""The words between a fence over ssh and its far side: nothing but exactly these is read."""

import pytest

from failover.support.fence_request import (
    FENCED,
    NOT,
    BadRequestError,
    FenceRequest,
    answer_line,
    find_answer,
    read_request,
)

ASKED = FenceRequest(
    "fence", "orders-db", "orders-db.service", "failoverd@orders-db.service", (5432, 5433), "0" * 32, "a1" * 16,
    "11111111-2222-3333-4444-555555555555", 42, 13.0,
)  # fmt: skip
LINE = " ".join(ASKED.words())


def test_what_is_written_is_read_again() -> None:
    assert read_request(LINE) == ASKED


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("failoverctl", "sh"),
        ("fence-local fence", "fence-local stop"),
        ("fence-local fence", "fence-local  fence"),
        ("unit=orders-db.service", "unit=orders-db.service;reboot"),
        ("unit=orders-db.service", "unit=../x.service"),
        ("unit=orders-db.service", "unit=orders-db.socket"),
        ("unit=orders-db.service", "unit=$(id).service"),
        ("unit=orders-db.service", "unit=orders-db.service\n"),
        ("unit=orders-db.service", "unit='orders-db.service'"),
        ("service=orders-db ", "service=orders-db service=orders-db "),
        ("service=orders-db ", ""),
        ("service=orders-db ", "service=orders-db state-dir=/etc "),
        ("service=orders-db ", "service=orders-db --no-systemd "),
        ("ports=5432,5433", "ports=5432,"),
        ("ports=5432,5433", "ports=0"),
        ("ports=5432,5433", "ports=70000"),
        ("ports=5432,5433", "ports=\u0665"),
        ("epoch=42", "epoch=-1"),
        ("deadline=13.000", "deadline=inf"),
        ("deadline=13.000", "deadline=1e3"),
        (f"nonce={'0' * 32}", "nonce="),
        (f"nonce={'0' * 32}", f"nonce={'0' * 33}"),
        ("deadline=13.000", "deadline=13.000 " + "x" * 5000),
    ],
)
def test_anything_else_is_no_request(old: str, new: str) -> None:
    assert LINE.count(old) == 1
    with pytest.raises(BadRequestError):
        read_request(LINE.replace(old, new))


def test_a_request_that_could_not_be_read_is_not_sent() -> None:
    with pytest.raises(BadRequestError, match="machine cannot be sent"):
        FenceRequest("fence", "s", "a.service", "b.service", (), "0" * 32, "x; y", "b", 1, 1.0).words()


def test_only_the_answer_to_this_very_request_counts() -> None:
    line = answer_line(FENCED, "1" * 32, {"boot_id": "b"})
    assert find_answer(f"Welcome!\n{line}\n", FENCED, "1" * 32) == {"boot_id": "b"}
    assert find_answer(line, FENCED, "2" * 32) is None
    assert find_answer(line, NOT, "1" * 32) is None
    assert find_answer(f"{FENCED} {'1' * 32} [1]", FENCED, "1" * 32) is None
    assert find_answer(f"{FENCED} {'1' * 32} {{", FENCED, "1" * 32) is None
