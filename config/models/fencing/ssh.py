"""`kind: ssh`: a peer logs in and ends the service and its controller.

Knows the settings only. Texts that end up in the command line of `ssh` have narrow forms: nothing is quoted there.
"""

import re
from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from config.commands import Command
from config.durations import Duration, format_duration
from config.models.control import RUN
from config.models.fencing.command import FILLED_IN
from config.models.fencing.method import DEADLINE, MethodSection
from config.models.section import AbsolutePath, Port, Switch, Text
from config.models.units import UnitName
from config.refusals import refusal

SHORTEST_WORK_S = 5.0
"""What must be left of `timeout` after connecting: ending, the proof, and one second in which nothing comes back."""
_USER = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,31}", re.ASCII)
_FILE = re.compile(r"/[A-Za-z0-9_./@+:=,-]*", re.ASCII)
_JUMP = re.compile(
    r"(?:(?P<user>[A-Za-z_][A-Za-z0-9_.-]{0,31})@)?(?P<host>[A-Za-z0-9][A-Za-z0-9.-]{0,252})(?::(?P<port>[0-9]{1,5}))?",
    re.ASCII,
)


def _user(text: str) -> str:
    if not _USER.fullmatch(text):
        raise refusal(f'"{text[:40]}" is not the name of a user', "write failover, say")
    return text


def _plain_file(path: AbsolutePath) -> AbsolutePath:
    if not _FILE.fullmatch(str(path)):
        raise refusal("ssh would read more into this path", "use letters, digits and _ . / @ + : = , - only")
    return path


def _jump(text: str) -> str:
    found = _JUMP.fullmatch(text)
    if not found or not 1 <= int(found["port"] or 22) <= 65535:
        raise refusal(f'"{text[:80]}" is not a jump host', "write HOST, USER@HOST or USER@HOST:PORT")
    return text


def split_jump(text: str) -> tuple[str, str, int]:
    """User ("": the same as behind it), host and port of a jump host."""
    found = _JUMP.fullmatch(text)
    if found is None:
        raise ValueError(text)
    return found["user"] or "", found["host"], int(found["port"] or 22)


_PlainFile = Annotated[AbsolutePath, AfterValidator(_plain_file)]


class SshMethodSettings(MethodSection):
    """`kind: ssh`: a peer logs in and ends the service and its controller."""

    kind: Literal["ssh"] = Field(description="Logs in to the node; its own `failoverctl fence-local` ends both there.")
    user: Annotated[str, AfterValidator(_user)] = Field(description="Who logs in.")
    key: _PlainFile = Field(description="The private key, without a passphrase, mode 0600.")
    known_hosts: _PlainFile = Field(description="The nodes' host keys. An unknown or changed one is never accepted.")
    address: Text = Field(default="{node.address}", max_length=255, description=f"Where to. {FILLED_IN}")
    port: Port = Field(default=22, description="The port of `sshd`.")
    unit: UnitName | None = Field(default=None, description="The service's unit on the node. This, or `run`.")
    run: Command | None = Field(
        default=None,
        description=f"Runs on the node instead, where failoverd's helper is not installed. {RUN} {FILLED_IN}",
    )
    controller: UnitName | None = Field(
        default=None, description="The controller's unit on the node. Default: failoverd@SERVICE.service."
    )
    restore: Switch = Field(
        default=True,
        description="With `unit`: start the controller's unit there again, once a peer is active, if the strike has "
        "stopped it. What does not come back is told.",
    )
    ports: tuple[Port, ...] = Field(
        default=(), max_length=16, description="The service's ports: afterwards none of them may take a connection."
    )
    jump: Annotated[str, AfterValidator(_jump)] | None = Field(
        default=None, description="Go by this host: HOST, USER@HOST or USER@HOST:PORT. Never one of the nodes."
    )
    connect_timeout: Duration = Field(default=5.0, description="How long connecting may take.")
    timeout: Duration = Field(default=20.0, description=DEADLINE)
    stops: Literal["everything", "service"] | None = Field(
        default=None,
        description="With `run` only. `service` (the default): it stops the service but not its controller, so it "
        "never ends the chain alone. `everything`: you say that it ends the controller and its hooks, too.",
    )

    @property
    def templates(self) -> Mapping[tuple[str | int, ...], tuple[str, ...]]:
        """The texts with placeholders, by the path of their key."""
        return {("address",): (self.address,), ("run",): self.run or ()}

    @model_validator(mode="after")
    def _agrees(self) -> "SshMethodSettings":
        if (self.unit is None) == (self.run is None):
            found = "found none" if self.unit is None else "found both"
            raise refusal(f"say exactly one of unit or run; {found}", "unit: orders-db.service, say")
        if self.run is not None and self.controller is not None:
            raise refusal("controller is for unit only", "take controller out")
        if self.run is not None and self.restore and "restore" in self.model_fields_set:
            raise refusal("restore is for unit only", "take restore out: what run has ended, nobody gives back")
        if self.run is None and self.stops is not None:
            raise refusal("stops is for run only", "take stops out: the helper ends everything, and proves it")
        if self.timeout < self.connect_timeout + SHORTEST_WORK_S:
            least = format_duration(self.connect_timeout + SHORTEST_WORK_S)
            raise refusal("timeout leaves no time for the work after connecting", f"write timeout: {least} or more")
        return self
