"""`{node.name}`, `{node.address}` and `{node.<fact>}` in the commands of fence methods.

Strict names, no expressions. Knows neither who is fenced nor where the facts are kept.
"""

import re
import shlex
from collections.abc import Iterable, Mapping

from config.commands import shell_line

ALWAYS_KNOWN = ("name", "address")
_IN_ARGUMENT = re.compile(r"\{([A-Za-z_]\w*\.[^{}\s]*)\}")
_IN_SHELL_LINE = re.compile(r"\{(node\.[^{}\s]*)\}")  # other braces are the shell's or awk's


def used_in(argv: tuple[str, ...]) -> tuple[str, ...]:
    """Give the placeholders of a command without their braces, each once, in order."""
    pattern = _IN_SHELL_LINE if shell_line(argv) else _IN_ARGUMENT
    return tuple(dict.fromkeys(name for word in argv for name in pattern.findall(word)))


def known_for(facts: Iterable[str]) -> tuple[str, ...]:
    """Give every placeholder that may be written, given the names of the nodes' facts."""
    return tuple(f"node.{name}" for name in dict.fromkeys((*ALWAYS_KNOWN, *sorted(facts))))


def fill(argv: tuple[str, ...], values: Mapping[str, str]) -> tuple[str, ...]:
    """Put values (`name`, `address` and facts) in place; quoted where a shell will read them.

    Raises KeyError, with the placeholder's name, when a value is missing: nothing may be
    struck with a half-filled command.
    """
    quote = shlex.quote if shell_line(argv) else str
    pattern = _IN_SHELL_LINE if shell_line(argv) else _IN_ARGUMENT

    def value(found: re.Match[str]) -> str:
        kind, _, name = found[1].partition(".")
        if kind != "node" or name not in values:
            raise KeyError(found[1])
        return quote(values[name])

    return tuple(pattern.sub(value, word) for word in argv)
