"""What may be wrong with a power switch for good; what it does then is told by `devices`."""

from enum import StrEnum


class Wiring(StrEnum):
    """What is wrong with a device for good."""

    RIGHT = "right"
    OTHER = "wired to another host"
    ABSENT = "an absent outlet"
    STUCK = "stuck"
    SILENT = "silent"
    LIAR = "done without doing anything"
