"""Every exit code of failoverctl and failoverd, in one place.

0 to 6 keep the meanings that Hadoop's ZKFC gives them at `format` and at start-up; 10 and above are our own.
"""

from enum import IntEnum


class ExitCode(IntEnum):
    """What the exit code of a command means."""

    OK = 0
    FAILED = 1  # something else; `may-start`: no
    REFUSED = 2  # wrong usage; `format`: denied
    NOT_FORMATTED = 3  # the store has no paths for this service: failoverctl format
    NO_FENCING = 4  # no fence method is configured
    NO_AUTOMATIC_FAILOVER = 5  # this configuration cannot fail over by itself
    STORE_UNREACHABLE = 6
    CONFIG_ERROR = 10
    CONTROLLER_UNREACHABLE = 11
    ORDER_REFUSED = 12  # a check said no; nothing was done
    OPERATION_FAILED = 13  # the order was taken, and did not end well
    STALE = 14  # the controller answers, and has not looked for too long to be believed
    ACCESS_DENIED = 15  # no token, an unknown one, or one with too small a role
    CONTROLLER_RUNS = 16  # `last-will`: a controller runs for this service on this host; nothing was done
    PAUSED = 17  # `last-will`: the service is paused, so service and session were left as they are
    MAY_BE_ACTIVE = 18  # `last-will`: the demote was not done; the session is closed if it could be, the peers fence
    NOT_RELEASED = 19  # `last-will`: demoted, but the peers wait for the session's time-out, or fence, or both
    FAIL_STOP = 70  # `last-will`: nothing could be decided any more (S10)
    INTERRUPTED = 130
