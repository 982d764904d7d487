"""`kind: controller`: the old active's own controller is asked to demote.

Knows the settings only.
"""

from typing import Literal

from pydantic import Field

from config.durations import Duration
from config.models.fencing.method import DEADLINE, MethodSection


class ControllerMethodSettings(MethodSection):
    """`kind: controller`: the old active's own controller is asked to demote."""

    kind: Literal["controller"] = Field(description="The old active's own controller demotes and says so, signed.")
    timeout: Duration = Field(default=5.0, description=DEADLINE)
