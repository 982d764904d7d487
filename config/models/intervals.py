"""What is done again and again has a time-out no longer than its interval.

Knows neither probes nor hooks.
"""

from collections.abc import Callable
from typing import Any

from config.durations import format_duration
from config.refusals import refusal


def at_most(timeout_s: float) -> Callable[[dict[str, Any]], float]:
    """Make the default of a time-out: so many seconds, or `every` if that is shorter."""
    return lambda written: min(timeout_s, written.get("every", timeout_s))


def refuse_too_slow(timeout_s: float, every_s: float) -> None:
    """Refuse a time-out that outlasts its interval: answers would overtake each other."""
    if timeout_s > every_s:
        timeout, every = format_duration(timeout_s), format_duration(every_s)
        message = f"timeout {timeout} is longer than every {every}"
        raise refusal(message, f"write timeout: {every} or less, or a longer every")
