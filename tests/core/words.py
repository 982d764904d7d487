"""The words of a story's command, read as the core's values. `WordError` says what is not understood."""

from __future__ import annotations

import shlex
from dataclasses import dataclass, fields, replace

from failover.core.values import (
    Breadcrumb,
    Confirmation,
    Control,
    Crumb,
    Health,
    Identity,
    Lock,
    Member,
    Node,
    Pause,
    Role,
    Settings,
    Switchover,
)


class WordError(Exception):
    """A command that no story can hold."""


@dataclass
class Words:
    """A command taken apart: words in order, and `key=value` options. Each must be used."""

    line: str
    plain: list[str]
    options: dict[str, str]

    @classmethod
    def of(cls, line: str) -> Words:
        """Split as a shell would: quotes keep words together."""
        plain, options = [], {}
        for word in shlex.split(line):
            key, sign, value = word.partition("=")
            if sign and key.isidentifier():
                options[key] = value
            else:
                plain.append(word)
        return cls(line, plain, options)

    def next(self, default: str | None = None) -> str:
        """The next plain word."""
        if self.plain:
            return self.plain.pop(0)
        if default is None:
            raise WordError(f"too few words: {self.line}")
        return default

    def takes(self, *words: str) -> bool:
        """Whether these words come next; if so they are used up."""
        if self.plain[: len(words)] != list(words):
            return False
        del self.plain[: len(words)]
        return True

    def option(self, key: str, default: str) -> str:
        """An option's value."""
        return self.options.pop(key, default)

    def number(self, key: str, default: int) -> int:
        """An option's value, a whole number."""
        return int(self.options.pop(key, str(default)))

    def all_used(self) -> None:
        """Complain of what nobody asked for."""
        if self.plain or self.options:
            raise WordError(f"not understood: {[*self.plain, *self.options]} in: {self.line}")


def node(name: str, machine: str = "") -> Node:
    """A node whose machine-id follows from its name, unless another is given."""
    return Node(name, machine or f"machine-of-{name}")


def identity(name: str, boot: str = "") -> Identity:
    """A controller's identity."""
    return Identity(node(name), boot or f"boot-of-{name}", f"{name}:8300")


def settings(words: Words, given: Settings) -> Settings:
    """Every remaining word is a setting: `step_down` for True, `head_start_s=2` for a value."""
    kinds = {field.name: type(getattr(given, field.name)) for field in fields(Settings)}
    changes: dict[str, object] = {}
    while words.plain:
        word = words.next()
        name, value = word.removeprefix("not_"), not word.startswith("not_")
        if kinds.get(name) is not bool:
            raise WordError(f"no such setting: {word}")
        changes[name] = value
    for key in list(words.options):
        kind = int if kinds[key] is type(None) else kinds[key]  # max_lag
        changes[key] = kind(words.option(key, ""))
    return replace(given, **changes)  # type: ignore[arg-type]


def crumb(text: str) -> Crumb:
    """`none`, `unreadable: why`, or `db2 epoch=7 version=3 [clean] [boot=…] [machine=…]`."""
    if text == "none":
        return Crumb()
    if text.startswith("unreadable: "):
        return Crumb(None, 1, text.removeprefix("unreadable: "))
    words = Words.of(text)
    name, version = words.next(), words.number("version", 0)
    boot = words.option("boot", f"boot-of-{name}")
    owner = node(name, words.option("machine", ""))
    record = Breadcrumb(owner, words.number("epoch", 0), boot, f"{name}:8300", words.takes("clean"))
    words.all_used()
    return Crumb(record, version)


def members(text: str) -> tuple[Member, ...]:
    """Members, parted by `;`: `db2 standby healthy [session=…] [epoch=7] [settled] …`."""
    return tuple(_member(Words.of(one)) for one in text.split(";") if one.strip())


def _member(words: Words) -> Member:
    name, role = words.next(), Role(words.next("standby"))
    health = next((health for health in Health if words.takes(health.value)), Health.HEALTHY)
    member = Member(
        node=node(name, words.option("machine", "")),
        session=words.option("session", f"session-of-{name}"),
        role=role,
        health=health,
        epoch=words.number("epoch", 0),
        boot_id=words.option("boot", f"boot-of-{name}"),
        address=f"{name}:8300",
        priority=words.number("priority", 0),
        position=int(words.option("position", "0")) if "position" in words.options else None,
        impaired=words.number("impaired", 0),
        settled=words.takes("settled"),
        ended=words.number("ended", 0),
        fenceable=fenceable(words.option("fenceable", "")),
        barred="barred by a word" if words.takes("barred") else "",
    )
    words.all_used()
    return member


def fenceable(names: str) -> dict[str, str]:
    """`db1,db3`: the nodes that could be fenced."""
    return dict.fromkeys(filter(None, names.split(",")), "lately")


def control(words: Words) -> Control:
    """`version=3 pause="reason" drained=db1,db2 switchover="o1 db1 to db2 epoch=7" confirmed="db1 epoch=7 version=0"
    unreadable="why"`."""
    word = words.option("confirmed", "")
    pause = words.option("pause", "")
    order = words.option("switchover", "")
    drained = words.option("drained", "")
    return Control(
        version=words.number("version", 1),
        pause=Pause("ops", pause) if pause else None,
        drained=frozenset(drained.split(",")) if drained else frozenset(),
        switchover=_switchover(Words.of(order)) if order else None,
        confirmed=_confirmation(Words.of(word)) if word else None,
        error=words.option("unreadable", ""),
    )


def _switchover(words: Words) -> Switchover:
    name, source = words.next(), words.next()
    target = words.next() if words.takes("to") else None
    order = Switchover(name, source, target, words.number("epoch", 0), words.option("reason", "maintenance"), "ops")
    words.all_used()
    return order


def _confirmation(words: Words) -> Confirmation:
    owner = node(words.next(), words.option("machine", ""))
    word = Confirmation(owner, words.number("epoch", 0), words.number("version", 0), "ops", "its plug is pulled")
    words.all_used()
    return word


def lock(words: Words, session: str, name: str) -> Lock:
    """A lock: `czxid=7 session=s1`, with defaults for what is not said."""
    return Lock(words.number("czxid", 0), words.option("session", session), name)
