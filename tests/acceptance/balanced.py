"""A cluster behind HAProxy with the shipped configuration.

What must hold is said by the tests.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from tests.acceptance.cluster import CHECKOUT, Cluster
from tests.servers.haproxy import HAProxy
from tests.servers.ports import free_port

SHIPPED = CHECKOUT / "config" / "examples" / "haproxy.cfg"
PLAIN_CHECKS = {"addr 127.0.0.1 port 8311": "port 8300", "addr 127.0.0.1 port 8312": "port 8300"}
UNPROVEN_IS_ENOUGH = {"/active?proven": "/active"}


@dataclass
class Doors:
    """HAProxy's two ports."""

    write: int
    read: int
    log: HAProxy


@contextmanager
def balanced(pair: Cluster, changes: dict[str, str] | None = None) -> Iterator[Doors]:
    """HAProxy in front of nodes a and b. `changes`: what is replaced in the shipped file."""
    write, read = free_port(), free_port()
    with HAProxy(_configuration(pair, write, read, changes or {})) as proxy:
        try:
            yield Doors(write, read, proxy)
        except BaseException:
            print(f"--- haproxy\n{proxy.log}")
            raise


def _configuration(pair: Cluster, write: int, read: int, changes: dict[str, str]) -> str:
    """The shipped file with the addresses of this cluster, `changes` first."""
    text = SHIPPED.read_text("utf-8")
    addresses = {":6379\n": f"127.0.0.1:{write}\n", ":6380\n": f"127.0.0.1:{read}\n"}
    for number, name in ((1, "a"), (2, "b")):
        host, asker = pair[name], f"{free_port()}"
        addresses |= {
            f"10.0.0.1{number}:6379 check port 8300": f"127.0.0.1:{host.port} check port {host.api.split(':')[1]}",
            f"10.0.0.1{number}:6379": f"127.0.0.1:{host.port}",
            f"10.0.0.1{number}:8300": host.api,
            f"port 831{number}": f"port {asker}",
            f":831{number}\n": f":{asker}\n",
        }
    for old, new in (changes | addresses).items():
        text = text.replace(old, new)
    assert "10.0.0." not in text, f"an address of {SHIPPED.name} is not replaced:\n{text}"
    return text
