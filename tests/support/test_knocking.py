"""Knocking: accepted, refused, silent; a host or a port that there cannot be is silent, and raises nothing."""

import asyncio
import socket

import pytest

from failover.support.knocking import Answer, knock
from tests.servers.ports import LOOPBACK, free_port


def knocked(host: str, port: int) -> Answer:
    return asyncio.run(knock(host, port, 1.0))


def test_what_listens_accepts() -> None:
    with socket.create_server((LOOPBACK, 0)) as server:
        assert knocked(LOOPBACK, server.getsockname()[1]) is Answer.ACCEPTED


def test_what_does_not_listen_refuses() -> None:
    assert knocked(LOOPBACK, free_port()) is Answer.REFUSED


@pytest.mark.parametrize(("host", "port"), [("db..1", 22), ("a" * 64, 22), (LOOPBACK, 70_000), ("half \ud800", 22)])
def test_what_there_cannot_be_is_silent(host: str, port: int) -> None:
    assert knocked(host, port) is Answer.SILENT
