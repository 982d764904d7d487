"""The command line of fence-local: which request, what is allowed, one line as the answer, and an exit code.

0: done. 1: refused, or not done. 2: no request. Whatever happens, it ends soon after its deadline.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TextIO

from failover.cli.exit_codes import ExitCode
from failover.cli.fence_local.allowed import allowed_by
from failover.cli.fence_local.giving_back import restore
from failover.cli.fence_local.outcome import Deadline, NotDone, Refused
from failover.cli.fence_local.work import check, fence
from failover.support.fence_request import (
    ANSWERS,
    NOT,
    PROGRAM,
    BadRequestError,
    FenceRequest,
    answer_line,
    read_request,
)

ORIGINAL = "SSH_ORIGINAL_COMMAND"
LONGEST_S = 600.0
_GRACE_S = 1.0
_WORK = {"check": check, "fence": fence, "restore": restore}


def main(arguments: Sequence[str]) -> int:
    """Do what is asked; the exit code."""
    given = make_parser().parse_args(arguments)
    try:
        asked = _request(given)
    except BadRequestError as error:
        return _say(sys.stderr, f"fence-local: this is no request: {error}", ExitCode.REFUSED)
    within_s = min(asked.deadline_s, LONGEST_S)
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_REAL, within_s + _GRACE_S)  # the last means: killed, nothing said, nothing proven
    for number in (signal.SIGHUP, signal.SIGPIPE):  # begun is finished, also when the peer's connection breaks
        signal.signal(number, signal.SIG_IGN)
    return _answer(asked, given, Deadline(within_s))


def _answer(asked: FenceRequest, given: argparse.Namespace, deadline: Deadline) -> int:
    try:
        allowed = allowed_by(given)
        allowed.refuse_others(asked)
        facts = _WORK[asked.verb](asked, allowed, deadline)
    except Refused as error:
        facts = {"why": str(error), "certain": True}
    except NotDone as error:
        facts = {"why": str(error), "certain": asked.verb == "check"}
    except OSError as error:
        facts = {"why": f"{error.filename or 'the kernel'}: {error.strerror}", "certain": asked.verb == "check"}
    else:
        return _say(sys.stdout, answer_line(ANSWERS[asked.verb], asked.nonce, facts), ExitCode.OK)
    return _say(sys.stdout, answer_line(NOT, asked.nonce, facts), ExitCode.FAILED)


def _say(stream: TextIO, line: str, code: ExitCode) -> int:
    try:
        print(line, file=stream, flush=True)
    except OSError:  # nobody listens any more
        return ExitCode.FAILED
    return code


def _request(given: argparse.Namespace) -> FenceRequest:
    if not given.from_ssh:
        return read_request(" ".join((*PROGRAM, *given.words)))
    if given.words:
        raise BadRequestError("with --from-ssh the request comes from the peer alone")
    line = os.environ.get(ORIGINAL)
    if line is None:
        raise BadRequestError(f"{ORIGINAL} is not set: is this key's line without a request, or does sudo drop it?")
    return read_request(line)


def make_parser() -> argparse.ArgumentParser:
    """The options; they belong into the key's line in authorized_keys."""
    parser = argparse.ArgumentParser(
        prog="failoverctl fence-local",
        description="End this host's service and its controller, and prove it, or give the controller's unit back "
        "afterwards. For a peer's key in authorized_keys.",
    )
    parser.add_argument(
        "words", metavar="WORD", nargs="*", help="the request, by hand: check|fence|restore service=… unit=…"
    )
    parser.add_argument("--from-ssh", action="store_true", help=f"the request is in {ORIGINAL}")
    parser.add_argument("--config", metavar="FILE", type=Path, help="the controller's file; default: the only one")
    parser.add_argument("--service", metavar="NAME", help="the service; default: the file's")
    parser.add_argument("--unit", metavar="UNIT", action="append", help="its unit; default: those that the file names")
    parser.add_argument("--controller", metavar="UNIT", action="append", help="default: failoverd@SERVICE.service")
    parser.add_argument("--state-dir", metavar="FOLDER", type=Path, help="default: the file's, or /run/failoverd")
    parser.add_argument("--no-systemd", action="store_true", help="the service is no unit; the controller neither")
    parser.add_argument("--pidfile", metavar="FILE", type=Path, help="without systemd: the service's")
    parser.add_argument("--port-owner", metavar="PORT", type=int, help="without systemd: who listens there")
    return parser
