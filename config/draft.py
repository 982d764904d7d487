"""As much of a faulty file as can be judged, so that the cross-checks still run on the rest.

A section with a mistake is left out, and what refers to it is not judged; a faulty probe or
fence method is left out alone. Knows no check.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import TypeAdapter, ValidationError

from config.models import (
    ApiSettings,
    Config,
    ControlSettings,
    Facts,
    FencingSettings,
    HealthSettings,
    LimitSettings,
    StoreSettings,
    WatchdogSettings,
)
from config.problems import Finding, KeyPath


@dataclass(frozen=True, slots=True)
class Draft:
    """The sections that stand; None for one that does not."""

    node: str | None = None
    store: StoreSettings | None = None
    nodes: Mapping[str, Facts] | None = None
    control: ControlSettings | None = None
    health: tuple[tuple[int, HealthSettings], ...] = ()  # with their places in the list
    fencing: FencingSettings | None = None
    broken_methods: frozenset[str] = frozenset()
    on_store_loss: str | None = None
    on_stop: str | None = None
    max_lag: int | None = None
    limits: LimitSettings | None = None
    api: ApiSettings | None = None
    files: bool = True  # whether the secret files that it names may be looked at
    watchdog: WatchdogSettings | None = None
    watchdog_stands: bool = True  # that None means: there is no such section


def of_config(config: Config, context: object = None) -> Draft:
    """Give the draft of a file without mistakes in its sections."""
    return Draft(
        files=_wants_files(context),
        node=config.node,
        store=config.store,
        nodes=config.nodes,
        control=config.control,
        health=tuple(enumerate(config.health)),
        fencing=config.fencing,
        on_store_loss=config.on_store_loss,
        on_stop=config.on_stop,
        max_lag=config.max_lag,
        limits=config.limits,
        api=config.api,
        watchdog=config.watchdog,
    )


def of_rest(data: Mapping[str, Any], findings: Iterable[Finding], context: object) -> Draft:
    """Give the draft of what the findings leave."""
    rest = _Rest(copy.deepcopy(dict(data)))
    for finding in findings:
        rest.leave_out(finding)
    sections = {name: rest.section(name, context) for name in _SECTIONS}
    return Draft(
        **sections,
        files=_wants_files(context),
        health=tuple(rest.probes(context)),
        broken_methods=frozenset(rest.broken_methods),
        watchdog_stands="watchdog" not in rest.broken,
    )


_SECTIONS = (
    "node",
    "store",
    "nodes",
    "control",
    "fencing",
    "on_store_loss",
    "on_stop",
    "max_lag",
    "limits",
    "api",
    "watchdog",
)


class _Rest:
    def __init__(self, data: dict[str, Any]) -> None:
        self.data = data
        self.broken: set[str] = set()
        self.broken_methods: set[str] = set()
        self.broken_probes: set[object] = set()

    def leave_out(self, finding: Finding) -> None:
        path = finding.path
        if path[:1] == ("health",) and len(path) > 1:
            self.broken_probes.add(path[1])
        elif path[:2] == ("fencing", "methods") and len(path) > 2:
            self.broken_methods.add(str(path[2]))
            _remove(self.data, path[:3])
        elif finding.excess:
            _remove(self.data, path)
        elif path:
            self.broken.add(finding.meant if finding.meant and len(path) == 1 else str(path[0]))

    def section(self, name: str, context: object) -> Any:
        field = Config.model_fields[name]
        if name in self.broken:
            return None
        if name not in self.data:
            return None if field.is_required() else field.get_default(call_default_factory=True)
        return _validated(field.annotation, self.data[name], context)

    def probes(self, context: object) -> Iterable[tuple[int, HealthSettings]]:
        written = self.data.get("health")
        for index, probe in enumerate(written if isinstance(written, list) else ()):
            if index not in self.broken_probes:
                settings = _validated(HealthSettings, probe, context)
                if settings is not None:
                    yield index, settings


def _wants_files(context: object) -> bool:
    return not isinstance(context, Mapping) or bool(context.get("read_secrets", True))


def _validated(annotation: Any, value: object, context: object) -> Any:
    try:
        return TypeAdapter(annotation).validate_python(value, context=context)
    except ValidationError:
        return None


def _remove(data: dict[str, Any], path: KeyPath) -> None:
    inner: Any = data
    for key in path[:-1]:
        inner = inner.get(key) if isinstance(inner, dict) else None
    if isinstance(inner, dict):
        inner.pop(path[-1], None)
