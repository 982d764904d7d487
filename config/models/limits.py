"""`limits:` how often and how soon things are done.

Knows the numbers only.
"""

from pydantic import Field, model_validator

from config.durations import Delay, Duration
from config.models.section import Count, FewOrNone, Section
from config.refusals import refusal


class RetrySettings(Section):
    """How the pause after a failed try grows (S5): there is no last try."""

    first: Duration = Field(default=1.0, description="The pause after the first failed try.")
    longest: Duration = Field(default=60.0, description="Pauses grow up to this.")

    @model_validator(mode="after")
    def _grows(self) -> "RetrySettings":
        if self.longest < self.first:
            raise refusal("longest is shorter than first", "pauses only ever grow")
        return self


class LimitSettings(Section):
    """How often the service may move, and how long tries are apart."""

    failovers: Count = Field(
        default=5,
        description="More failovers than this within `within` are not made while the active's process lives. "
        "Those that an operator ordered do not count. Above 50 there is no brake.",
    )
    within: Duration = Field(default=600.0, description="The window of the counts.")
    head_start: Delay = Field(default=1.0, description="How long candidates that are not the best one wait.")
    restarts: FewOrNone = Field(
        default=0,
        description="How often within `within` an ill active's service is restarted in place (demote, then promote, "
        "which must start it) before it moves. Where nobody could take over it always is.",
    )
    retry: RetrySettings = Field(default_factory=RetrySettings, description="The pauses between failed tries.")
