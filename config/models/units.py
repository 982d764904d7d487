"""The name of a systemd service unit, as it is written in the file.

Knows nothing of the units of this host.
"""

import re
from typing import Annotated

from pydantic import AfterValidator, WithJsonSchema

from config.refusals import refusal

_UNIT = re.compile(r"[A-Za-z0-9:_.\\@-]{1,240}\.service", re.ASCII)


def _unit(text: str) -> str:
    if not _UNIT.fullmatch(text):
        hint = f"write {text}.service" if _UNIT.fullmatch(f"{text}.service") and "." not in text else ""
        raise refusal(f'"{text[:80]}" is not the name of a service unit', hint or "write orders-db.service, say")
    if "@." in text:
        raise refusal(f'"{text[:80]}" is a template', "name an instance of it: orders-db@main.service")
    return text


UnitName = Annotated[
    str,
    AfterValidator(_unit),
    WithJsonSchema({"type": "string", "pattern": f"^{_UNIT.pattern}$"}),
]
