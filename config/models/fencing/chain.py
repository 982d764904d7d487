"""How the methods make a chain: verification after a strike, and proof before it is needed.

Knows the settings only.
"""

from typing import Literal

from pydantic import Field

from config.durations import Duration
from config.models.section import Port, Section


class VerifySettings(Section):
    """What must be true after a strike that takes a host's power."""

    contradiction: Literal["veto", "warn"] = Field(
        default="veto",
        description="What a refused connection means after the host's power is said to be off. `veto`: its kernel is "
        "alive, so it is not fenced. `warn`: it is only told, where a firewall refuses for dead hosts. "
        "A connection that is accepted always means that it is not fenced.",
    )
    ports: tuple[Port, ...] = Field(
        default=(22,), max_length=16, description="TCP ports that are tried, beside the controller's own."
    )
    settle: Duration = Field(default=1.0, description="How long each port may take to answer.")


class ProvingSettings(Section):
    """Proving, while all is well, that each peer could be fenced."""

    every: Duration = Field(default=600.0, description="From one round to the next; a random fifth is added.")
    timeout: Duration = Field(default=60.0, description="The deadline of one probe.")
