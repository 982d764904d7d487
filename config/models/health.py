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

from config.commands import Command
from config.durations import Duration
from config.models.control import RUN
from config.models.intervals import at_most, refuse_too_slow
from config.models.section import AbsolutePath, Count, Port, Section, Text
from config.models.units import UnitName
from config.refusals import refusal

SOURCES = ("pidfile", "exe", "cmdline", "port")


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


class ProcessProbeSettings(ProbeSettings):
    """`kind: process`: a process is there; its end is seen at once."""

    kind: Literal["process"] = Field(
        description="Healthy while the process lives. Say one of pidfile, exe, cmdline, port."
    )
    pidfile: AbsolutePath | None = Field(default=None, description="The file that holds its pid.")
    exe: AbsolutePath | None = Field(default=None, description="The program it runs.")
    cmdline: Annotated[Text, AfterValidator(_pattern)] | None = Field(
        default=None, description="A regular expression found in its command line."
    )
    port: Port | None = Field(default=None, description="The TCP port it listens on.")

    @model_validator(mode="after")
    def _has_one_source(self) -> "ProcessProbeSettings":
        written = [name for name in SOURCES if getattr(self, name) is not None]
        if len(written) != 1:
            found = " and ".join(written) or "none"
            choice = f"{', '.join(SOURCES[:-1])} or {SOURCES[-1]}"
            raise refusal(f"say exactly one of {choice}", f"found {found}")
        return self


class SystemdProbeSettings(ProbeSettings):
    """`kind: systemd`: a unit is active; its end is heard of at once, over D-Bus."""

    kind: Literal["systemd"] = Field(description="Healthy while the unit is active.")
    unit: UnitName = Field(description="The unit: `orders-db.service`.")


HealthSettings = Annotated[
    TcpProbeSettings | HttpProbeSettings | CommandProbeSettings | ProcessProbeSettings | SystemdProbeSettings,
    Field(discriminator="kind"),
]
PROBE_KINDS = ("tcp", "http", "command", "process", "systemd")
