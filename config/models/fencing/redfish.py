"""`kind: redfish`: the power switch of a host's BMC.

Knows the settings only. Reads neither the CA's file nor the network.
"""

import re
from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from config.addresses import join_address, split_address
from config.durations import Duration
from config.models.fencing.method import DEADLINE, RESTORE, MethodSection
from config.models.section import AbsolutePath, Switch, Text
from config.refusals import refusal
from config.secrets import SecretField

HTTPS_PORT = 443
FILLED_IN = "`{node.name}`, `{node.address}` and `{node.FACT}` are filled in."
_SYSTEM = re.compile(r"/redfish/v1/Systems/[A-Za-z0-9_~%:-][A-Za-z0-9_.~%:-]*/?", re.ASCII)


def bmc_url(address: str) -> str:
    """`https://host:port` of `host`, `host:port` or a URL without a path; `http://` only where it is written.

    Raises ValueError when it is no such address.
    """
    scheme, mark, rest = address.rpartition("://")
    if mark and scheme not in {"http", "https"}:
        raise ValueError(f"neither https nor http: {address[:80]!r}")
    try:
        host, port = split_address(rest)
    except ValueError:
        host, port = split_address(f"{rest}:{HTTPS_PORT if scheme != 'http' else 80}")
    return f"{scheme or 'https'}://{join_address(host, port)}"


def system_path(system: str) -> str:
    """The path of one system, without a slash at its end. Raises ValueError when it is none."""
    if not _SYSTEM.fullmatch(system):
        raise ValueError(f"not the path of one system: {system[:80]!r}")
    return system.rstrip("/")


def _address(text: str) -> str:
    if "{" not in text:
        try:
            bmc_url(text)
        except ValueError:
            raise refusal(f'"{text[:80]}" is not an address', "write the BMC's host or host:port") from None
    return text


def _system(text: str) -> str:
    if "{" not in text:
        try:
            system_path(text)
        except ValueError:
            hint = "write /redfish/v1/Systems/ID, as GET /redfish/v1/Systems lists it"
            raise refusal(f'"{text[:80]}" is not the path of one system', hint) from None
    return text


def _off(value: str) -> str:
    if value == "GracefulShutdown":
        raise refusal("GracefulShutdown asks the host's system, which may be what hangs", "write ForceOff")
    if value != "ForceOff":
        raise refusal(f'"{value[:40]}" does not take the power for good', "write ForceOff")
    return value


def _user(text: str) -> str:
    if ":" in text:
        raise refusal("a user's name cannot hold a colon (HTTP basic authentication)", "make another user")
    return text


class RedfishMethodSettings(MethodSection):
    """`kind: redfish`: the power switch of a host's BMC."""

    kind: Literal["redfish"] = Field(description="The host's BMC takes its power, and is read back (Redfish).")
    address: Annotated[Text, AfterValidator(_address)] = Field(
        description=f"The BMC: a host or host:port, asked by https. {FILLED_IN}"
    )
    system: Annotated[Text, AfterValidator(_system)] = Field(
        description=f"Which of the BMC's systems: `/redfish/v1/Systems/ID`. Never guessed. {FILLED_IN}"
    )
    user: Annotated[Text, AfterValidator(_user)] = Field(description="The BMC's user; the role Operator is enough.")
    password: SecretField = Field(description="Where that user's password is kept.")
    ca: AbsolutePath | None = Field(
        default=None, description="The CA (PEM) that signed the BMC's certificate. Default: the system's trust store."
    )
    insecure: Switch = Field(
        default=False, description="Do not check the certificate: anyone on the BMC's network can fake OFF."
    )
    off: Annotated[Text, AfterValidator(_off)] = Field(default="ForceOff", description="The ResetType: ForceOff.")
    timeout: Duration = Field(default=40.0, description=DEADLINE)
    connect_timeout: Duration = Field(default=5.0, description="The deadline of each connection and of each answer.")
    restore: Switch = Field(default=False, description=RESTORE)

    @property
    def templates(self) -> Mapping[tuple[str | int, ...], tuple[str, ...]]:
        """The texts with placeholders, by the path of their key."""
        return {("address",): (self.address,), ("system",): (self.system,)}

    @model_validator(mode="after")
    def _agrees(self) -> "RedfishMethodSettings":
        if self.address.startswith("http://") and not self.insecure:
            raise refusal("http:// shows the password to the network", "write the host alone: https is used")
        if self.insecure and self.ca is not None:
            raise refusal("insecure: true leaves ca unused", "remove one of the two")
        return self
