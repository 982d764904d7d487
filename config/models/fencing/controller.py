"""`kind: controller`: the old active's own controller is asked to demote.

Knows the settings only.
"""

from typing import Literal

from pydantic import Field, model_validator

from config.durations import Duration, format_duration
from config.models.fencing.method import DEADLINE, MethodSection
from config.refusals import refusal


class ControllerMethodSettings(MethodSection):
    """`kind: controller`: the old active's own controller is asked to demote."""

    kind: Literal["controller"] = Field(description="The old active's own controller demotes and says so, signed.")
    timeout: Duration = Field(default=5.0, description=DEADLINE)
    connect_timeout: Duration = Field(
        default=2.0, description="How long connecting may take: a host that is gone costs this. At most `timeout`."
    )

    @model_validator(mode="after")
    def _agrees(self) -> "ControllerMethodSettings":
        if "connect_timeout" in self.model_fields_set and self.connect_timeout > self.timeout:
            most = format_duration(self.timeout)
            raise refusal("connect_timeout is longer than timeout", f"write connect_timeout: {most} or less")
        return self
