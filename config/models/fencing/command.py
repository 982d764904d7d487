"""`kind: command`: a command of the operator's own.

Knows the settings only.
"""

from collections.abc import Mapping
from typing import Literal

from pydantic import Field

from config.commands import Command
from config.durations import Duration
from config.models.control import RUN
from config.models.fencing.method import DEADLINE, MethodSection

FILLED_IN = "`{node.name}`, `{node.address}` and `{node.FACT}` are filled in."


class CommandMethodSettings(MethodSection):
    """`kind: command`: a command of the operator's own."""

    kind: Literal["command"] = Field(description="A command fences: exit 0 is done, 1 is not done.")
    run: Command = Field(description=f"{RUN} {FILLED_IN}")
    status: Command | None = Field(
        default=None,
        description="Tells whether the node still has what `run` takes: exit 0 it has (ON), 2 it has not (OFF). "
        "With it `run` is believed only if this says OFF afterwards, and has said ON before. " + FILLED_IN,
    )
    restore: Command | None = Field(
        default=None, description="Gives back what `run` took, once a peer is active. " + FILLED_IN
    )
    stops: Literal["everything", "service"] = Field(
        default="everything",
        description="`service`: it stops the service but not its controller, so it never ends the chain alone.",
    )
    timeout: Duration = Field(default=30.0, description=DEADLINE)

    @property
    def templates(self) -> Mapping[tuple[str | int, ...], tuple[str, ...]]:
        """The texts with placeholders, by the path of their key."""
        argvs = {("run",): self.run, ("status",): self.status, ("restore",): self.restore}
        return {path: argv for path, argv in argvs.items() if argv is not None}
