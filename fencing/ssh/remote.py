"""What is run on the far side: the helper's request, or a wrapper of plain sh around the operator's own command.

The wrapper makes sure that it is on the right machine, and prints the nonce only if the command ended with 0. It cannot
prove more than that. Knows nothing of how the far side is reached.
"""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass

from failover.support.fence_request import ANSWERS, COULD, FENCED, NOT, BadRequestError, FenceRequest

_SCRIPT = """\
m=$(cat /etc/machine-id 2>/dev/null || cat /var/lib/dbus/machine-id 2>/dev/null)
b=$(cat /proc/sys/kernel/random/boot_id 2>/dev/null)
no() {{ printf '%s\\n' {no}" {{\\"why\\": \\"$1\\", \\"certain\\": $2}}"; exit 1; }}
[ "$m" = {machine} ] || no "this is another machine: does the address still belong to that node?" true
r=true; [ "$b" = {boot} ] && r=false
{work}
printf '%s\\n' {yes}" {{\\"boot_id\\": \\"$b\\", \\"rebooted\\": $r, \\"by\\": \\"run\\"}}"
"""
_WORK = """\
t=; command -v timeout >/dev/null 2>&1 && t='timeout -k 2 {deadline}'
$t /bin/sh -c {line} </dev/null 1>&2
c=$?; [ $c -eq 1 ] && no "run ended with exit code 1" true
[ $c -eq 0 ] || no "run ended with exit code $c" false"""


@dataclass(frozen=True, slots=True)
class Remote:
    """One line for the far side's shell, the word that it must answer with, and the nonce beside it."""

    line: str
    word: str
    nonce: str


def by_helper(request: FenceRequest) -> Remote:
    """The helper's request. Raises BadRequestError."""
    return Remote(" ".join(request.words()), ANSWERS[request.verb], request.nonce)


def by_command(request: FenceRequest, argv: tuple[str, ...]) -> Remote:
    """The operator's command, filled in; for `check` everything but that. Raises BadRequestError."""
    request.words()  # whatever goes between the wrapper's words has the narrow form of the helper's
    word, work = COULD, ":"
    if request.verb == "fence":
        seconds = max(1, int(request.deadline_s))
        word, work = FENCED, _WORK.format(deadline=seconds, line=shlex.quote(shlex.join(argv)))
    script = _SCRIPT.format(
        no=f"'{NOT} {request.nonce}'", yes=f"'{word} {request.nonce}'", machine=request.machine, boot=request.boot,
        work=work,
    )  # fmt: skip
    if "\0" in script:
        raise BadRequestError(f"the command cannot be sent: {json.dumps(argv)[:80]}")
    return Remote(f"exec /bin/sh -c {shlex.quote(script)}", word, request.nonce)
