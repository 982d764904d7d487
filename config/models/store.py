"""`store:` where the lock lives.

Knows the settings only; sessions and locks are the stores' own matter.
"""

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, WithJsonSchema

from config.addresses import ZooKeeperAddress
from config.durations import Duration
from config.models.section import AbsolutePath, Section, Text
from config.models.tls import StoreTlsSettings
from config.refusals import refusal
from config.secrets import SecretField

_ROOT = re.compile(r"(/[A-Za-z0-9_-][A-Za-z0-9._-]*)+", re.ASCII)


def _root(text: str) -> str:
    if not _ROOT.fullmatch(text):
        raise refusal(f'"{text[:80]}" is not a path in ZooKeeper', "write /failover, say")
    return text


def _user(text: str) -> str:
    if ":" in text:
        raise refusal("a user's name must not hold a colon")
    return text


class AuthSettings(Section):
    """Who we are to ZooKeeper (digest); with it, our records are readable by us only."""

    user: Annotated[Text, AfterValidator(_user)] = Field(description="The user's name.")
    password: SecretField = Field(description="The password, by reference.")


class ZooKeeperSettings(Section):
    """`kind: zookeeper`."""

    kind: Literal["zookeeper"] = Field(description="The lock lives in ZooKeeper.")
    hosts: tuple[ZooKeeperAddress, ...] = Field(
        min_length=1,
        max_length=32,
        description="The servers, `host:port`; the port may be left out.",
    )
    root: Annotated[str, AfterValidator(_root), WithJsonSchema({"type": "string", "pattern": "^/"})] = Field(
        default="/failover", description="The path above all services."
    )
    session_timeout: Duration = Field(
        default=6.0,
        description="How long a silent controller keeps its lock. The servers may grant another.",
    )
    tick_time: Duration = Field(default=2.0, description="The servers' own `tickTime`; the lease is reckoned with it.")
    auth: AuthSettings | None = Field(
        default=None, description="Digest authentication; also sets ACLs that let only us in."
    )
    tls: StoreTlsSettings | None = Field(
        default=None, description="TLS to the servers; `hosts` then names their `secureClientPort`."
    )


class LocalSettings(Section):
    """`kind: local`: lock files; for trials on one host."""

    kind: Literal["local"] = Field(description="The lock is a file: for one host only.")
    path: AbsolutePath = Field(description="The folder of lock and records, the same for every node on this host.")


StoreSettings = Annotated[ZooKeeperSettings | LocalSettings, Field(discriminator="kind")]
STORE_KINDS = ("zookeeper", "local")
