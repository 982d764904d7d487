"""The entry point of failoverctl: no traceback ever leaves it."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable

from failover.cli.exit_codes import ExitCode
from failover.cli.failures import CommandFailed

DEBUG_ENV = "FAILOVERCTL_DEBUG"


def main() -> None:
    """Run the command of the command line and exit with its code."""
    sys.exit(_guarded(_run))


def _run() -> int:
    if sys.argv[1:2] == ["may-start"]:  # it lies in the way of every promote: no import that it does not need
        from failover.cli import may_start

        return may_start.main(sys.argv[2:])
    if sys.argv[1:2] == ["fence-local"]:  # a peer waits for it
        from failover.cli import fence_local

        return fence_local.main(sys.argv[2:])
    from failover.cli.app import app

    code = app(prog_name="failoverctl", standalone_mode=True)
    return int(code or 0)


def _guarded(run: Callable[[], int]) -> int:
    """The outermost frame: every failure is one line and an exit code."""
    try:
        code = run()
        sys.stdout.flush()
    except CommandFailed as failed:
        return _told(failed)
    except KeyboardInterrupt:
        sys.stderr.write("failoverctl: interrupted; an order that was given goes on: failoverctl status\n")
        return ExitCode.INTERRUPTED
    except BrokenPipeError:  # `failoverctl history | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ExitCode.OK
    except Exception as error:  # the outermost frame
        if os.environ.get(DEBUG_ENV):
            raise
        fault = f"a fault in failoverctl itself: {type(error).__name__}: {error}"
        return _told(CommandFailed(fault, f"{DEBUG_ENV}=1 shows where; report it", ExitCode.FAILED))
    return code


def _told(failed: CommandFailed) -> int:
    if "--json" in sys.argv:
        sys.stdout.write(json.dumps(failed.as_json(), indent=2) + "\n")
    line = "".join(letter if letter.isprintable() else " " for letter in failed.line())
    sys.stderr.write(f"failoverctl: {line}\n")
    return failed.code


if __name__ == "__main__":
    main()
