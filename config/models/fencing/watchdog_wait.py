"""`kind: watchdog_wait`: the old active has promised to be down by a deadline; wait for it.

Knows the settings only.
"""

from typing import Literal

from pydantic import Field

from config.durations import Duration
from config.models.fencing.method import MethodSection


class WatchdogWaitMethodSettings(MethodSection):
    """`kind: watchdog_wait`: waits until the old active's watchdog must have reset its host."""

    kind: Literal["watchdog_wait"] = Field(description="Waits until the old active's watchdog must have fired.")
    minimum: Duration = Field(default=1.0, description="Wait at least so long, whatever the old active has published.")
    timeout: Duration = Field(default=120.0, description="A longer wait than this is not begun: unknown at once.")
