"""The JSON Schema and the reference page: every key described, defaults true, nothing forgotten."""

import json
from collections.abc import Iterator
from typing import Any, get_args

import pytest

from config.models import (
    CONTROL_KINDS,
    FENCER_KINDS,
    PROBE_KINDS,
    STORE_KINDS,
    CommandControlSettings,
    CommandProbeSettings,
    HttpProbeSettings,
    LocalSettings,
    MethodSettings,
    ProcessProbeSettings,
    ResourceProbeSettings,
    Section,
    SystemdControlSettings,
    SystemdProbeSettings,
    TcpProbeSettings,
    ZooKeeperSettings,
)
from config.reference import markdown
from config.schema import json_schema


def _all(section: type[Section]) -> Iterator[type[Section]]:
    for each in section.__subclasses__():
        yield each
        yield from _all(each)


SECTIONS = sorted(
    {each for each in _all(Section) if each.__name__ in {"Config", *json_schema()["$defs"]}},
    key=lambda each: each.__name__,
)


@pytest.mark.parametrize("section", SECTIONS, ids=lambda section: section.__name__)
def test_every_key_says_what_it_means(section: type[Section]) -> None:
    silent = [name for name, field in section.model_fields.items() if not field.description]
    assert silent == []


def test_the_list_of_sections_is_whole() -> None:
    named = {section.__name__ for section in SECTIONS}
    assert {"Config", *json_schema()["$defs"]} == named


def _parts(schema: Any) -> Iterator[dict[str, Any]]:
    if isinstance(schema, dict):
        yield schema
        for part in schema.values():
            yield from _parts(part)
    elif isinstance(schema, list):
        for part in schema:
            yield from _parts(part)


def test_the_schema_is_plain_json_without_null_and_with_durations_as_text() -> None:
    schema = json_schema()
    assert json.loads(json.dumps(schema)) == schema
    assert not [part for part in _parts(schema) if part.get("type") == "null"]
    assert schema["$defs"]["ZooKeeperSettings"]["properties"]["session_timeout"]["default"] == "6s"
    durations = [part for part in _parts(schema) if part.get("format") == "failover-duration"]
    assert durations
    assert all(isinstance(part.get("default", ""), str) for part in durations)


def test_unknown_keys_are_refused_by_the_schema_too() -> None:
    schema = json_schema()
    assert schema["additionalProperties"] is False
    assert all(part["additionalProperties"] is False for part in schema["$defs"].values())


def test_a_caller_may_change_its_copy_of_the_schema() -> None:
    json_schema()["properties"].clear()
    assert "service" in json_schema()["properties"]


def _kinds(*classes: type[Section]) -> set[str]:
    return {section.model_json_schema()["properties"]["kind"]["const"] for section in classes}


def test_the_lists_of_kinds_are_those_of_the_models() -> None:
    assert set(STORE_KINDS) == _kinds(ZooKeeperSettings, LocalSettings)
    assert set(CONTROL_KINDS) == _kinds(CommandControlSettings, SystemdControlSettings)
    assert set(FENCER_KINDS) == _kinds(*get_args(get_args(MethodSettings)[0]))
    assert set(PROBE_KINDS) == _kinds(
        TcpProbeSettings,
        HttpProbeSettings,
        CommandProbeSettings,
        ProcessProbeSettings,
        SystemdProbeSettings,
        ResourceProbeSettings,
    )


@pytest.mark.parametrize("section", SECTIONS, ids=lambda section: section.__name__)
def test_the_reference_page_has_every_key(section: type[Section]) -> None:
    page = markdown()
    for name, field in section.model_fields.items():
        assert f"| `{name}` |" in page
        assert str(field.description) in page


def test_the_reference_page_gives_defaults_as_they_are_written() -> None:
    page = markdown()
    assert '| `session_timeout` | duration | `"6s"` |' in page
    assert "| `hosts` | list of `host:port` | required |" in page
    assert "## `fencing.methods.NAME (kind: controller)`" in page
    assert "## `limits.retry`" in page
    assert "## `health[] (kind: tcp)`" in page
