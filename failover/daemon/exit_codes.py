"""How `failoverd` ends. 1, 3, 4 and 6 keep the meanings that ZKFC gave them."""

from enum import IntEnum


class ExitCode(IntEnum):
    """The daemon's exit codes."""

    STOPPED = 0  # told to stop, and did so in good order
    FAILED = 1  # start-up refused: another controller (S9), an address taken, a store that refuses us
    NOT_FORMATTED = 3  # the service's paths are not in the store: failoverctl format CONFIG
    NO_FENCING = 4  # the configuration's fencing section is wrong or missing
    CONFIG = 10  # the configuration has mistakes
    FAIL_STOP = 70  # nothing could be decided any more (S10): the supervisor should restart it
