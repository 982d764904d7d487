"""Commands as people write them (a path, a shell line or an argument list) and as argv.

Runs nothing. It looks at the file system only in `missing_program`.
"""

import os
import re
import shlex
import shutil
from typing import Annotated

from pydantic import BeforeValidator, WithJsonSchema

from config.refusals import refusal

SHELL = ("/bin/sh", "-c")
MOST_ARGUMENTS = 200
_PATH = re.compile(r"/[\w./@%+,:=-]+", re.ASCII)
_EXPECTED = "write a path, a shell line or an argument list"
_SUCCESS = re.compile(r"(?:(?:/usr)?/bin/)?true|:|exit(?:\s+0)?")
_SEPARATOR = re.compile(r"\|\||;|\n")
_OTHER_EXIT = re.compile(r"\b(?:exit|exec|set|kill)\b")


def argv_of(run: str | list[object] | tuple[object, ...]) -> tuple[str, ...]:
    """Normalise: a list stays one, an absolute path stands alone, else it is a line for /bin/sh.

    Raises ValueError, with the reason, for a command that could never run.
    """
    if isinstance(run, str):
        line = run.strip()
        argv: tuple[str, ...] = (line,) if _PATH.fullmatch(line) else (*SHELL, line)
        argv = argv if line else ()
    else:
        argv = tuple(_argument(word) for word in run)
    if not argv or not argv[0].strip():
        raise ValueError("the command is empty")
    if len(argv) > MOST_ARGUMENTS:
        raise ValueError(f"the command has more than {MOST_ARGUMENTS} arguments")
    if any("\0" in word for word in argv):
        raise ValueError("the command holds a NUL character")
    return argv


def shell_line(argv: tuple[str, ...]) -> str | None:
    """Give the line of a command that goes to a shell, else None."""
    if len(argv) == 3 and argv[1] == "-c" and argv[0].rsplit("/", 1)[-1] in {"sh", "bash", "dash"}:
        return argv[2]
    return None


def first_word(argv: tuple[str, ...]) -> str:
    """Give the program that a command starts; of a shell line its first word, if that is plain."""
    line = shell_line(argv)
    if line is None:
        return argv[0]
    try:
        words = shlex.split(line, comments=True)
    except ValueError:  # an open quote: the shell will say so better than we could
        return argv[0]
    return words[0] if words and words[0].startswith("/") else argv[0]


def missing_program(argv: tuple[str, ...]) -> str | None:
    """Give why the program cannot be started on this host, or None if it can."""
    program = first_word(argv)
    if not program.startswith("/"):
        return None if shutil.which(program) else f"{program} is not found in PATH"
    if not os.path.exists(program):
        return f"{program} does not exist"
    if os.path.isdir(program):
        return f"{program} is a directory"
    return None if os.access(program, os.X_OK) else f"{program} is not executable"


def always_succeeds(argv: tuple[str, ...]) -> bool:
    """Tell whether a command says `done` whatever happened: `true`, `exit 0`, `… || true`.

    A line that may leave earlier by other means gets the benefit of the doubt.
    """
    line = shell_line(argv)
    if line is None:
        return _SUCCESS.fullmatch(argv[0]) is not None
    *before, last = _SEPARATOR.split(line.strip().rstrip(";").rstrip())
    return not _OTHER_EXIT.search("\n".join(before)) and bool(_SUCCESS.fullmatch(last.strip()))


def _argument(word: object) -> str:
    if isinstance(word, str):
        return word
    if isinstance(word, int) and not isinstance(word, bool):
        return str(word)
    raise ValueError("every argument must be text; put it in quotes")


def _read(value: object) -> tuple[str, ...]:
    if not isinstance(value, (str, list, tuple)):
        raise refusal("expected a command", _EXPECTED)
    try:
        return argv_of(value)
    except ValueError as reason:
        raise refusal(str(reason), _EXPECTED) from None


Command = Annotated[
    tuple[str, ...],
    BeforeValidator(_read),
    WithJsonSchema(
        {
            "title": "Command",
            "format": "failover-command",
            "anyOf": [
                {"type": "string", "minLength": 1},
                {"type": "array", "items": {"type": ["string", "integer"]}, "minItems": 1},
            ],
        }
    ),
]
"""An argument vector, ready to be executed."""
