"""Network addresses as `host:port`: read, checked, told apart.

Opens no socket and asks no name server: a name other than `localhost` is taken as not local.
"""

import ipaddress
import re
from typing import Annotated

from pydantic import BeforeValidator, WithJsonSchema

from config.refusals import refusal

ZOOKEEPER_PORT = 2181
_HOST = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_.-]{0,251}[A-Za-z0-9_])?\.?", re.ASCII)
_WRITTEN = re.compile(r"(?:\[([^\[\]]*)\]|([^\[\]:]*))(?::(\d{1,5}))?", re.ASCII)


def split_address(address: str) -> tuple[str, int]:
    """Give host and port of `host:port` or `[v6]:port`; an IPv6 host comes without brackets.

    Raises ValueError when the text is no such address.
    """
    host, port = _split(address)
    if port is None:
        raise ValueError(f"no port in {address[:80]!r}")
    return host, port


def is_loopback(host: str) -> bool:
    """Tell whether only this host can reach the address."""
    literal = _literal(host)
    return literal.is_loopback if literal else host.lower().rstrip(".") == "localhost"


def is_wildcard(host: str) -> bool:
    """Tell whether the address means every address of this host (0.0.0.0 or ::)."""
    literal = _literal(host)
    return literal is not None and literal.is_unspecified


def join_address(host: str, port: int) -> str:
    """Write host and port as one text, IPv6 in brackets."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _literal(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def _split(address: str) -> tuple[str, int | None]:
    written = _WRITTEN.fullmatch(address)
    if written is None:
        raise ValueError(f"not an address: {address[:80]!r}")
    host = written[1] if written[1] is not None else written[2]
    port = int(written[3]) if written[3] else None
    if written[1] is not None and not isinstance(_literal(host), ipaddress.IPv6Address):
        raise ValueError(f"not an IPv6 address: {host[:80]!r}")
    if written[1] is None and not _HOST.fullmatch(host):
        raise ValueError(f"not a host: {host[:80]!r}")
    if port is not None and not 1 <= port <= 65535:
        raise ValueError(f"not a port: {port}")
    return host, port


def _read(value: object, default_port: int | None, example: str) -> str:
    if not isinstance(value, str):
        raise refusal("expected an address as text", f"write {example}")
    try:
        host, port = _split(value)
    except ValueError:
        raise refusal(f'"{value[:80]}" is not an address', f"write {example}") from None
    port = port if port is not None else default_port
    if port is None:
        raise refusal(f'"{value[:80]}" has no port', f"write {example}")
    return join_address(host, port)


def _listening(value: object) -> str:
    return _read(value, None, "host:port, as 10.0.0.11:8300 or [::1]:8300")


def _zookeeper(value: object) -> str:
    return _read(value, ZOOKEEPER_PORT, f"host:port, as zk1:{ZOOKEEPER_PORT}")


Address = Annotated[
    str,
    BeforeValidator(_listening),
    WithJsonSchema({"type": "string", "format": "failover-address", "examples": ["10.0.0.11:8300"]}),
]
ZooKeeperAddress = Annotated[
    str,
    BeforeValidator(_zookeeper),
    WithJsonSchema({"type": "string", "format": "failover-address", "examples": ["zk1:2181"]}),
]
