"""What the design has but this release does not: refused by name, so that nobody relies on it.

A list and nothing more; the entry goes when the feature comes.
"""

from config.problems import KeyPath

LATER_KINDS: dict[str, frozenset[str]] = {
    "store": frozenset({"etcd"}),
    "control": frozenset({"hadoop"}),
}

LATER_KEYS: frozenset[KeyPath] = frozenset()


def comes_later(path: KeyPath, kind: str | None = None) -> bool:
    """Tell whether a key (or, with `kind`, a kind in the section of that path) is yet to come."""
    if kind is not None:
        return bool(path) and kind in LATER_KINDS.get(str(path[0]), frozenset())
    return path in LATER_KEYS
