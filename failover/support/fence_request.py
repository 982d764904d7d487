"""What is asked of `failoverctl fence-local` over ssh, and what it answers: one line each way, nothing else is read.

    failoverctl fence-local fence service=orders-db unit=orders-db.service … nonce=… deadline=13
    FAILOVERD-FENCED <nonce> {"boot_id": …}

The request is words between single blanks, each name once, each value of a narrow form: no quotes, no expansion, no
shell. Knows neither who asks nor what is done with it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

PROGRAM = ("failoverctl", "fence-local")
FENCED, COULD, GIVEN, NOT = "FAILOVERD-FENCED", "FAILOVERD-COULD", "FAILOVERD-GIVEN", "FAILOVERD-NOT"
ANSWERS = {"check": COULD, "fence": FENCED, "restore": GIVEN}
"""What may be asked, and the word that answers it."""
LONGEST_REQUEST = 4096
LONGEST_ANSWER = 4096
_UNIT = r"[A-Za-z0-9:_.\\@-]{1,240}\.service"
_FORMS = {
    "service": r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}",
    "unit": _UNIT,
    "controller": _UNIT,
    "ports": r"(|[0-9]{1,5}(,[0-9]{1,5}){0,15})",
    "nonce": r"[0-9a-f]{32}",
    "machine": r"[A-Za-z0-9][A-Za-z0-9-]{0,63}",
    "boot": r"[A-Za-z0-9][A-Za-z0-9-]{0,63}",
    "epoch": r"[0-9]{1,19}",
    "deadline": r"[0-9]{1,4}(\.[0-9]{1,3})?",
}


class BadRequestError(Exception):
    """The request is not one; the text says why, and repeats nothing of it."""


@dataclass(frozen=True, slots=True)
class FenceRequest:
    """What a peer asks for. `machine` and `boot` are those of the breadcrumb, `deadline_s` in seconds from now on."""

    verb: str
    service: str
    unit: str
    controller: str
    ports: tuple[int, ...]
    nonce: str
    machine: str
    boot: str
    epoch: int
    deadline_s: float

    def words(self) -> tuple[str, ...]:
        """The request as words. Raises BadRequestError where one has not the form that the far side reads."""
        values = {
            "service": self.service,
            "unit": self.unit,
            "controller": self.controller,
            "ports": ",".join(map(str, self.ports)),
            "nonce": self.nonce,
            "machine": self.machine,
            "boot": self.boot,
            "epoch": str(self.epoch),
            "deadline": f"{self.deadline_s:.3f}",
        }
        for name, value in values.items():
            if not re.fullmatch(_FORMS[name], value, re.ASCII):
                raise BadRequestError(f"{name} cannot be sent as it is: {value[:80]!r}")
        return (*PROGRAM, self.verb, *(f"{name}={value}" for name, value in values.items()))


def read_request(line: str) -> FenceRequest:
    """Read one line. Raises BadRequestError for anything but exactly this form."""
    if len(line) > LONGEST_REQUEST:
        raise BadRequestError(f"longer than {LONGEST_REQUEST} characters")
    words = line.split(" ")
    if tuple(words[:2]) != PROGRAM or len(words) < 3 or words[2] not in ANSWERS:
        raise BadRequestError(f"it does not begin with: {' '.join(PROGRAM)} {'|'.join(ANSWERS)}")
    values: dict[str, str] = {}
    for word in words[3:]:
        name, _, value = word.partition("=")
        if name not in _FORMS:
            raise BadRequestError("it holds a word that is not one of " + ", ".join(_FORMS))
        if name in values:
            raise BadRequestError(f"{name} stands twice")
        if not re.fullmatch(_FORMS[name], value, re.ASCII):
            raise BadRequestError(f"{name} has not its form")
        values[name] = value
    missing = [name for name in _FORMS if name not in values]
    if missing:
        raise BadRequestError(f"missing: {', '.join(missing)}")
    ports = tuple(int(port) for port in values["ports"].split(",") if port)
    if any(not 1 <= port <= 65535 for port in ports):
        raise BadRequestError("ports are from 1 to 65535")
    return FenceRequest(
        words[2], values["service"], values["unit"], values["controller"], ports, values["nonce"], values["machine"],
        values["boot"], int(values["epoch"]), float(values["deadline"]),
    )  # fmt: skip


def answer_line(word: str, nonce: str, facts: Mapping[str, object]) -> str:
    """One line: the word, the request's nonce, and facts."""
    return f"{word} {nonce} {json.dumps(dict(facts))}"[:LONGEST_ANSWER]


def find_answer(output: str, word: str, nonce: str) -> dict[str, Any] | None:
    """The facts of the answer to this very request; None: it is not there. A nonce makes an old answer worthless."""
    for line in output.splitlines():
        told_word, _, rest = line.strip().partition(" ")
        told_nonce, _, facts = rest.partition(" ")
        if told_word == word and told_nonce == nonce:
            try:
                read = json.loads(facts)
            except ValueError:
                return None
            return read if isinstance(read, dict) else None
    return None
