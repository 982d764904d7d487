"""Reading what kazoo gives back: every element of a transaction's result counts."""

from dataclasses import dataclass

import pytest
from kazoo.exceptions import (
    BadVersionError,
    ConnectionClosedError,
    ConnectionLoss,
    NoAuthError,
    NoNodeError,
    RolledBackError,
    RuntimeInconsistency,
    SessionExpiredError,
)

from failover.stores.zookeeper.paths import Paths, session_name
from failover.stores.zookeeper.replies import commit_of, words


@dataclass
class Result:
    value: object = None
    exception: Exception | None = None


def test_a_transaction_is_done_only_if_every_operation_was() -> None:
    assert commit_of(Result([True, True, "/path"])).done
    assert not commit_of(Result([])).done
    assert not commit_of(Result(None)).done


@pytest.mark.parametrize("failed", [0, 1, 2])
def test_the_operation_that_failed_is_found_among_those_rolled_back(failed: int) -> None:
    results: list[object] = [RolledBackError()] * failed
    results += [BadVersionError(), *[RuntimeInconsistency()] * (2 - failed)]
    commit = commit_of(Result(results))
    assert not commit.done
    assert commit.failed_with(failed, BadVersionError)
    assert not commit.failed_with(failed, NoNodeError)


def test_operations_that_were_only_rolled_back_are_no_success() -> None:
    commit = commit_of(Result([RolledBackError(), RolledBackError()]))
    assert not commit.done
    assert commit.failed is None


def test_only_the_servers_own_word_says_that_a_session_has_expired() -> None:
    assert commit_of(Result(exception=SessionExpiredError())).expired
    assert not commit_of(Result(exception=ConnectionClosedError())).expired
    assert not commit_of(Result(exception=ConnectionLoss())).expired


def test_words_are_for_an_operator() -> None:
    assert "credentials" in words(NoAuthError())
    assert "ThrottledOp" in words(type("ThrottledOp", (NoAuthError,), {})())
    assert words(None) == ""


def test_names_become_single_steps_of_a_path() -> None:
    paths = Paths("/failover/", "orders-db")
    assert paths.base == "/failover/orders-db"
    assert paths.member("a/b") == "/failover/orders-db/members/a%2Fb"
    assert paths.member("..") == "/failover/orders-db/members/%2E%2E"
    assert paths.member("db1.example.org").endswith("/db1.example.org")


def test_session_ids_are_written_as_zookeeper_does() -> None:
    assert session_name(0x10002) == "10002"
    assert session_name(-1) == "f" * 16
