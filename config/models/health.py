"""`health:` the probes that say whether the service is well.

Knows the settings only; probing is the health check's own matter.
"""

import re
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    WithJsonSchema,
    model_validator,
)
from pydantic_core import PydanticCustomError

from config.amounts import Number, Percent, Ratio, Size
from config.commands import Command
from config.durations import Delay, Duration
from config.models.control import RUN
from config.models.intervals import at_most, refuse_too_slow
from config.models.section import AbsolutePath, Count, Port, Section, Switch, Text
from config.models.units import UnitName
from config.refusals import refusal

SOURCES = ("pidfile", "exe", "cmdline", "port")
OF_TREE = ("memory", "open_files", "cpu")


class ProbeSettings(Section):
    """What every probe has."""

    every: Duration = Field(default=1.0, description="From one probe's start to the next.")
    timeout: Duration = Field(
        default_factory=at_most(0.5),
        description="When a probe without an answer counts as `not_responding`. "
        "Default: 500ms, or `every` if that is shorter.",
    )
    rise: Count = Field(default=1, description="So many good answers in a row make it healthy.")
    fall: Count = Field(default=2, description="So many bad ones in a row make it unhealthy.")
    critical: Switch = Field(
        default=True,
        description="`true`: the service is ill when this probe fails. "
        "`false`: the node is only impaired, and goes behind equally fresh candidates.",
    )
    grace: Delay = Field(
        default=0.0,
        description="So long after a start (of the service, or of the controller) failures do not count, "
        "until it has passed once.",
    )

    @model_validator(mode="after")
    def _answers_before_the_next(self) -> "ProbeSettings":
        refuse_too_slow(self.timeout, self.every)
        return self


class TcpProbeSettings(ProbeSettings):
    """`kind: tcp`: a connection can be made."""

    kind: Literal["tcp"] = Field(description="Healthy when a TCP connection can be made.")
    host: Text = Field(default="127.0.0.1", description="The host to connect to.")
    port: Port = Field(description="The port to connect to.")


def _url(text: str) -> str:
    try:
        parts = urlsplit(text)
        valid = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        valid = False
    if not valid or any(character.isspace() for character in text):
        raise refusal(f'"{text[:80]}" is not a URL', "write http://127.0.0.1:8080/health, say")
    return text


def _statuses(value: object) -> tuple[int, ...]:
    written = value if isinstance(value, (list, tuple)) else [value]
    statuses = tuple(status for status in written if isinstance(status, int) and 100 <= status <= 599)
    if not statuses or len(statuses) < len(written):
        raise refusal("expected a status from 100 to 599, or a list of them")
    return statuses


class HttpProbeSettings(ProbeSettings):
    """`kind: http`: a GET is answered with the expected status."""

    kind: Literal["http"] = Field(description="Healthy when a GET is answered as expected.")
    url: Annotated[str, AfterValidator(_url), WithJsonSchema({"type": "string"})] = Field(
        description="`http://…` or `https://…`."
    )
    status: Annotated[
        tuple[int, ...],
        BeforeValidator(_statuses),
        WithJsonSchema(
            {
                "anyOf": [
                    {"type": "integer", "minimum": 100, "maximum": 599},
                    {"type": "array", "items": {"type": "integer"}, "minItems": 1},
                ]
            }
        ),
    ] = Field(default=(200,), description="The status that means healthy, or a list of them.")


class CommandProbeSettings(ProbeSettings):
    """`kind: command`: a command's exit code."""

    kind: Literal["command"] = Field(description="Healthy when the command exits with 0.")
    run: Command = Field(description=RUN)


def _pattern(text: str) -> str:
    try:
        re.compile(text)
    except (re.error, OverflowError, RecursionError) as error:
        raise refusal(f"not a regular expression: {error}") from None
    return text


class SearchSettings(ProbeSettings):
    """How the service's main process is found."""

    pidfile: AbsolutePath | None = Field(default=None, description="The file that holds its pid.")
    exe: AbsolutePath | None = Field(default=None, description="The program it runs.")
    cmdline: Annotated[Text, AfterValidator(_pattern)] | None = Field(
        default=None, description="A regular expression found in its command line."
    )
    port: Port | None = Field(default=None, description="The TCP port it listens on.")

    def sources(self) -> list[str]:
        """The ways of finding it that are written."""
        return [name for name in SOURCES if getattr(self, name) is not None]


def _one_source(written: list[str], why: str = "") -> PydanticCustomError:
    choice = f"{', '.join(SOURCES[:-1])} or {SOURCES[-1]}"
    return refusal(f"say exactly one of {choice}{why}", f"found {' and '.join(written) or 'none'}")


class ProcessProbeSettings(SearchSettings):
    """`kind: process`: a process is there; its end is seen at once."""

    kind: Literal["process"] = Field(
        description="Healthy while the process lives. Say one of pidfile, exe, cmdline, port."
    )

    @model_validator(mode="after")
    def _has_one_source(self) -> "ProcessProbeSettings":
        if len(self.sources()) != 1:
            raise _one_source(self.sources())
        return self


class DiskLimit(Section):
    """How much must be free on the file system of a path."""

    path: AbsolutePath = Field(description="A path on the file system.")
    free: Size = Field(description="So much must be free at least: `5%`, or `2GiB`.")


class ResourceProbeSettings(SearchSettings):
    """`kind: resource`: the service's process tree, and its host, stay within limits."""

    kind: Literal["resource"] = Field(
        description="Healthy within every limit. Say at least one; for memory, open_files and cpu one of "
        "pidfile, exe, cmdline, port, too."
    )
    every: Duration = Field(default=5.0, description="From one probe's start to the next.")
    timeout: Duration = Field(
        default_factory=at_most(2.0),
        description="When a probe without an answer counts as `not_responding`. "
        "Default: 2s, or `every` if that is shorter.",
    )
    memory: Size | None = Field(
        default=None, description="The most memory (resident, summed over the tree): `512MiB`, or `80%` of the host's."
    )
    open_files: Number | None = Field(
        default=None,
        description="The most open files of any process of the tree: a number, or `90%` of its soft limit.",
    )
    cpu: Percent | None = Field(
        default=None, description="The most processor time of the tree since the last look: `90%` of the whole host's."
    )
    disk: DiskLimit | None = Field(default=None, description="How much must be free on a disk.")
    load: Ratio | None = Field(default=None, description="The highest load average (one minute) for each processor.")

    @model_validator(mode="after")
    def _has_what_it_needs(self) -> "ResourceProbeSettings":
        of_tree = [name for name in OF_TREE if getattr(self, name) is not None]
        written = self.sources()
        if not of_tree and self.disk is None and self.load is None:
            raise refusal("no limit is given", f"say one of {', '.join(OF_TREE)}, disk or load")
        if of_tree and len(written) != 1:
            raise _one_source(written, f" for {' and '.join(of_tree)}")
        if written and not of_tree:
            raise refusal(f"{' and '.join(written)} finds a process of which nothing is asked", "take it out")
        return self


class SystemdProbeSettings(ProbeSettings):
    """`kind: systemd`: a unit is active; its end is heard of at once, over D-Bus."""

    kind: Literal["systemd"] = Field(description="Healthy while the unit is active.")
    unit: UnitName = Field(description="The unit: `orders-db.service`.")


HealthSettings = Annotated[
    TcpProbeSettings
    | HttpProbeSettings
    | CommandProbeSettings
    | ProcessProbeSettings
    | ResourceProbeSettings
    | SystemdProbeSettings,
    Field(discriminator="kind"),
]
PROBE_KINDS = ("tcp", "http", "command", "process", "resource", "systemd")
