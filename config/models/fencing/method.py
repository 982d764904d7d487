"""What every fence method's settings share.

Knows no kind.
"""

from collections.abc import Mapping
from typing import Annotated

from pydantic import Field, StrictInt

from config.models.section import Section

Attempts = Annotated[StrictInt, Field(ge=1, le=10)]
ATTEMPTS = "How often it is tried, each time with its own deadline."
DEADLINE = "The deadline of one try, its checks included: what has not ended by then is ended, and unknown."
RESTORE = "Give the power back once a peer is active. What does not come back is told."


class MethodSection(Section):
    """The part that all kinds have."""

    attempts: Attempts = Field(default=1, description=ATTEMPTS)

    @property
    def templates(self) -> Mapping[tuple[str | int, ...], tuple[str, ...]]:
        """The texts with placeholders, by the path of their key."""
        return {}
