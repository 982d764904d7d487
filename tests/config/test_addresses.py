"""Addresses are `host:port`, IPv6 in brackets."""

import pytest

from config.addresses import is_loopback, is_wildcard, join_address, split_address
from tests.config.conftest import GOOD, Files


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("zk1:2181", ("zk1", 2181)),
        ("10.0.0.11:8300", ("10.0.0.11", 8300)),
        ("[::1]:8300", ("::1", 8300)),
    ],
)
def test_an_address_has_a_host_and_a_port(text: str, parts: tuple[str, int]) -> None:
    assert split_address(text) == parts
    assert join_address(*parts) == text


@pytest.mark.parametrize("text", ["", ":1", "a", "a:0", "a:65536", "a:b", "::1:8300", "[a]:1", "a b:1", "http://a:1"])
def test_anything_else_is_no_address(text: str) -> None:
    with pytest.raises(ValueError, match=r"not a|no port"):
        split_address(text)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "::1", "localhost", "LOCALHOST."])
def test_a_loopback_host_is_known_without_asking_anyone(host: str) -> None:
    assert is_loopback(host)
    assert not is_wildcard(host)


@pytest.mark.parametrize("host", ["0.0.0.0", "::"])
def test_a_wildcard_is_every_address(host: str) -> None:
    assert is_wildcard(host)
    assert not is_loopback(host)


def test_a_zookeeper_host_without_a_port_gets_the_usual_one(files: Files) -> None:
    config = files.load(GOOD.replace("[zk1:2181]", "[zk1, '10.0.0.1:2182', '[fd00::1]']"))
    assert config.store.kind == "zookeeper"
    assert config.store.hosts == ("zk1:2181", "10.0.0.1:2182", "[fd00::1]:2181")


def test_the_api_needs_a_port(files: Files) -> None:
    lines = files.errors(GOOD + "api: {listen: 10.0.0.11}\n")
    assert lines == ['19:15: api.listen: "10.0.0.11" has no port; write host:port, as 10.0.0.11:8300 or [::1]:8300']


def test_advertise_is_listen_unless_written(files: Files) -> None:
    assert files.load(GOOD + "api: {listen: 10.0.0.11:9}\n").api.advertise == "10.0.0.11:9"
    both = files.load(GOOD + "api: {listen: 0.0.0.0:9, advertise: 10.0.0.11:9}\n")
    assert both.api.advertise == "10.0.0.11:9"
    assert files.load().api.advertise == "127.0.0.1:8300"


def test_a_wildcard_cannot_be_advertised(files: Files) -> None:
    (line,) = files.errors(GOOD + "api: {listen: 0.0.0.0:9}\n")
    assert line == ("19:1: api.advertise: nobody can reach 0.0.0.0:9; write the address that peers use")
