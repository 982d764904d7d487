"""`kind: manual` and `epoch`: methods that strike nothing themselves.

Knows the settings only.
"""

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from config.durations import Duration
from config.models.fencing.method import MethodSection
from config.models.section import Section, Text
from config.refusals import refusal

SHORTEST_REASON = 10


def _because(text: str) -> str:
    if len(text.strip()) < SHORTEST_REASON:
        raise refusal("that is no reason", "say what refuses the older epoch, and how that was tried")
    return text


class ManualMethodSettings(MethodSection):
    """`kind: manual`: an operator looks, and confirms."""

    kind: Literal["manual"] = Field(description="Waits for `failoverctl fence confirm NODE`.")
    timeout: Duration = Field(default=60.0, description="How long one try waits; the next one comes by itself.")


class EpochMethodSettings(Section):
    """`kind: epoch`: the service's own storage refuses an older epoch."""

    kind: Literal["epoch"] = Field(description="Strikes nothing: what the service writes to refuses an older epoch.")
    because: Annotated[Text, AfterValidator(_because)] = Field(
        max_length=500, description="What refuses it. Told in the history of every failover that relies on it."
    )

    @property
    def templates(self) -> Mapping[tuple[str | int, ...], tuple[str, ...]]:
        """It has no texts with placeholders."""
        return {}

    @property
    def timeout(self) -> float:
        """It answers at once."""
        return 0.0

    @property
    def attempts(self) -> int:
        """Nothing to try again."""
        return 1
