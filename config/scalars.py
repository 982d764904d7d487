"""YAML 1.2 scalars -> text, numbers, booleans, nothing. `yes`, `on` and dates stay text.

Never raises: what is no number after all stays text, and the model says what it wanted.
"""

_TAG = "tag:yaml.org,2002:"
LONGEST = 100  # digits; Python refuses to read numbers of thousands


def value_of(tag: str, text: str) -> str | int | float | bool | None:
    """Give the value of a scalar with its resolved tag."""
    kind = tag.removeprefix(_TAG)
    if kind == "null":
        return None
    if kind == "bool" and text.lower() in {"true", "false"}:
        return text.lower() == "true"
    if kind == "int" and len(text) <= LONGEST:
        return _int(text)
    if kind == "float" and len(text) <= LONGEST:
        return _float(text)
    return _printable(text)


def _printable(text: str) -> str:
    """Replace lone surrogates (an escape can write them), which no terminal or file can take."""
    return text.encode("utf-8", "replace").decode()


def _int(text: str) -> int | str:
    plain = text.replace("_", "")
    base = 8 if "0o" in plain else 16 if "0x" in plain else 2 if "0b" in plain else 10
    try:
        return int(plain, base)
    except ValueError:
        return _printable(text)


def _float(text: str) -> float | str:
    try:
        return float(text.replace("_", "").replace(".inf", "inf").replace(".nan", "nan"))
    except ValueError:
        return _printable(text)
