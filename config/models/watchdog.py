"""`watchdog:` this node resets itself rather than serve without the lock.

Knows the settings only. Whether they are safe together is checked in `config.checks.watchdog`.
"""

from pathlib import Path
from typing import Literal

from pydantic import Field

from config.durations import Duration
from config.models.section import AbsolutePath, Section, Switch


class WatchdogSettings(Section):
    """A watchdog device that is fed only while the lock is proven."""

    device: AbsolutePath = Field(default=Path("/dev/watchdog"), description="The device. One service may use it.")
    mode: Literal["off", "automatic", "required"] = Field(
        default="required",
        description="`required`: without it this node never becomes active. `automatic`: with it if it can be armed.",
    )
    timeout: Duration = Field(
        default=10.0, description="After so long without a pet it resets the host. Whole seconds."
    )
    lease_max_age: Duration | None = Field(
        default=None,
        description="The dog is not fed after a renewal that was sent longer ago. Default: two renewal intervals.",
    )
    allow_on_virtual_machine: Switch = Field(
        default=False,
        description="Allow it on a virtual machine. A paused one is not reset: only where nobody pauses it.",
    )
