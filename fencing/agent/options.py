"""What an agent is told: its options filled in for one node, as the lines of its standard input.

Runs nothing. Agents ignore what they do not know and take a missing action for `reboot`, so nothing is handed over that
is not certain to be understood.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace

from config.agent_values import MASKED, PLUGS, folded, is_owned, is_secret, objection, truth
from config.placeholders import fill, used_in
from config.secrets import Secret
from fencing.agent.metadata import Metadata, Parameter


class OptionError(Exception):
    """The options cannot be handed over: the text says which, and why. Never holds a secret."""


@dataclass(frozen=True, slots=True)
class Told:
    """`lines`: name and value as the agent gets them, without the action. `secrets`: to be masked in all it says.

    `plugs`: where there are several.
    """

    lines: tuple[tuple[str, str], ...]
    secrets: frozenset[str]
    plugs: tuple[str, ...] = ()

    def __repr__(self) -> str:
        """Without any value: one of them may be a secret."""
        return f"Told({', '.join(name for name, _ in self.lines)})"

    def stdin(self, action: str) -> bytes:
        """The action comes last: of several, an agent obeys the last."""
        return "".join(f"{name}={value}\n" for name, value in (*self.lines, ("action", action))).encode()

    def each(self) -> tuple[Told, ...]:
        """The same for each plug by itself."""
        return tuple(self._only(plug) for plug in self.plugs) or (self,)

    def _only(self, plug: str) -> Told:
        lines = tuple((name, plug if name in PLUGS else value) for name, value in self.lines)
        return replace(self, lines=lines, plugs=())

    def shown(self) -> list[tuple[str, str]]:
        """For people: secrets masked, by value and by name."""
        return [(name, MASKED if is_secret(name) or value in self.secrets else value) for name, value in self.lines]

    def value(self, name: str) -> str:
        """What is told for that parameter, or ""."""
        return dict(self.lines).get(name, "")

    def device(self, agent: str) -> str:
        """A name for the device that is spoken to: the same whatever the plug."""
        text = "\n".join([agent, *sorted(f"{name}={value}" for name, value in self.lines if name not in PLUGS)])
        return hashlib.sha256(text.encode()).hexdigest()[:16]


def tell(options: Mapping[str, object], metadata: Metadata, facts: Mapping[str, str]) -> Told:
    """Fill in. Raises OptionError."""
    lines: dict[str, str] = {}
    secrets = set()
    plugs: tuple[str, ...] = ()
    separator = str(options.get("plug_separator", "") or "") or _default(metadata, "plug_separator") or ","
    for name, value in options.items():
        parameter = metadata.parameter(name)
        if parameter is None:
            raise OptionError(f"{metadata.agent} has no parameter {name}")
        if is_owned(name) or parameter.name in lines:
            raise OptionError(f"{name} is {'set by the controller' if is_owned(name) else 'given twice'}")
        text = _text(parameter, value, facts, separator)
        if text is None:
            continue
        lines[parameter.name] = text
        if parameter.name in PLUGS and isinstance(value, tuple):
            plugs = tuple(text.split(separator))
        if isinstance(value, Secret):
            secrets.add(text)
    return Told(tuple(lines.items()), frozenset(secrets), plugs)


def placeholders_in(options: Mapping[str, object]) -> set[str]:
    """The names of the facts that are filled in."""
    found: set[str] = set()
    for value in options.values():
        texts = value if isinstance(value, tuple) else (value,)
        for text in texts:
            found |= set(used_in((text,))) if isinstance(text, str) else set()
    return {name.removeprefix("node.") for name in found}


def _default(metadata: Metadata, name: str) -> str:
    parameter = metadata.parameter(name)
    return parameter.default if parameter is not None else ""


def _text(parameter: Parameter, value: object, facts: Mapping[str, str], separator: str) -> str | None:
    """None: it is to be left out."""
    name = parameter.name
    if isinstance(value, Secret):
        text = value.reveal()
    elif isinstance(value, tuple):
        text = separator.join(_filled(name, item, facts, separator) for item in value)
    elif isinstance(value, str):
        text = _filled(name, value, facts, separator)
    else:
        text = str(int(value)) if isinstance(value, (bool, int)) else str(value)
    if parameter.kind == "boolean":
        return _boolean(parameter, text)
    refused = objection(text)
    if refused:
        raise OptionError(f"{name} {refused[0]}")
    return text


def _boolean(parameter: Parameter, text: str) -> str | None:
    """Most agents only ask whether it is there: false is left out, except where leaving it out means true."""
    meant = truth(text)
    if meant is None:
        raise OptionError(f"{parameter.name} is neither true nor false")
    if meant:
        return "1"
    return "0" if parameter.on_by_default else None


def _filled(name: str, text: str, facts: Mapping[str, str], separator: str) -> str:
    try:
        (filled,) = fill((text,), facts)
    except KeyError as missing:
        raise OptionError(f"{{{missing.args[0]}}} is not known: known are {', '.join(sorted(facts))}") from None
    if folded(name) in PLUGS and separator in filled:
        raise OptionError(f'{name} is "{filled[:80]}": the agent would take it for several plugs')
    if not filled.strip() and text.strip():
        raise OptionError(f"{name} is empty once filled in")
    return filled
