"""How records are written and read: nothing is lost, nothing unreadable is guessed at."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from failover.core.values import (
    Breadcrumb,
    Confirmation,
    Control,
    EndedSwitchover,
    Health,
    Member,
    Node,
    Pause,
    Role,
    Switchover,
)
from failover.stores import codec
from failover.stores.fields import LARGEST_NUMBER, LARGEST_RECORD, SCHEMA, RecordError

PATH = "/failover/orders-db/record"

texts = st.text(max_size=20)
numbers = st.integers(min_value=0, max_value=2**63)
any_number = st.integers(min_value=-LARGEST_NUMBER, max_value=LARGEST_NUMBER)
nodes = st.builds(Node, texts, texts)
plain = st.recursive(
    st.none() | st.booleans() | st.integers() | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=5,
)
unknown_fields = st.dictionaries(texts.map("x-".__add__), plain, max_size=3)
facts = st.dictionaries(texts, texts, max_size=3)
breadcrumbs = st.builds(Breadcrumb, nodes, numbers, texts, texts, st.booleans(), facts, unknown_fields)
switchovers = st.builds(Switchover, texts, texts, st.none() | texts, numbers, texts, texts, texts)
phases = st.dictionaries(texts, st.floats(allow_nan=False, allow_infinity=False), max_size=3)
controls = st.builds(
    Control,
    numbers,
    st.none() | st.builds(Pause, texts, texts, texts, texts),
    st.frozensets(texts, max_size=3),
    st.none() | switchovers,
    st.lists(st.builds(EndedSwitchover, switchovers, texts, texts, phases), max_size=2).map(tuple),
    st.none() | st.builds(Confirmation, nodes, numbers, numbers, texts, texts, texts),
    unknown_fields,
)
members = st.builds(
    Member,
    nodes,
    texts,
    st.sampled_from(Role),
    st.sampled_from(Health),
    numbers,
    texts,
    texts,
    any_number,
    st.none() | any_number,
    texts,
    st.booleans(),
    numbers,
    texts,
    texts,
    texts,
    numbers,
    facts,
)


@given(breadcrumbs, numbers)
def test_a_breadcrumb_reads_as_it_was_written(record: Breadcrumb, version: int) -> None:
    crumb = codec.read_crumb(PATH, codec.encode_breadcrumb(record), version)
    assert crumb.record == record
    assert crumb.version == version
    assert not crumb.error


@given(controls)
def test_a_control_record_reads_as_it_was_written(control: Control) -> None:
    assert codec.read_control(PATH, codec.encode_control(control), control.version) == control


@given(members)
def test_a_member_reads_as_it_was_written(member: Member) -> None:
    data = codec.encode_member(member)
    assert codec.read_member(PATH, data, member.session) == member


@given(nodes)
def test_an_owner_reads_as_it_was_written(node: Node) -> None:
    assert codec.read_owner(PATH, codec.encode_owner(node)) == node


@given(st.binary(max_size=200))
def test_whatever_the_bytes_are_a_record_is_read_or_refused_by_path(data: bytes) -> None:
    crumb = codec.read_crumb(PATH, data, 3)
    assert (crumb.record is None) == (PATH in crumb.error)
    control = codec.read_control(PATH, data, 3)
    assert not control.error or PATH in control.error
    codec.read_history(PATH, data)


GOOD = {"schema": SCHEMA, "node": "db1", "machine_id": "m", "epoch": 7, "boot_id": "b"}


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"schema": SCHEMA + 1}, "upgrade"),
        ({"schema": 0}, "schema is 0"),
        ({"schema": "1"}, "schema is not a whole number"),
        ({"schema": None}, "schema is not a whole number"),
        ({"node": 5}, "node is not a text"),
        ({"node": "\ud800"}, "node is not a text"),
        ({"facts": {"bmc": "\udfff"}}, "a value in facts is not a text"),
        ({"facts": {"\ud800": "10.0.0.9"}}, "a value in facts is not a text"),
        ({"epoch": "7"}, "epoch is not a whole number"),
        ({"epoch": True}, "epoch is not a whole number"),
        ({"epoch": 10**4299}, "epoch is too large a number"),
        ({"epoch": -(10**101)}, "epoch is too large a number"),
        ({"clean": 1}, "clean is neither true nor false"),
        ({"facts": ["x"]}, "facts is not an object"),
        ({"facts": {"bmc": 5}}, "a value in facts is not a text"),
    ],
)
def test_a_wrong_field_is_named(changes: dict[str, Any], reason: str) -> None:
    data = json.dumps(GOOD | changes).encode()
    crumb = codec.read_crumb(PATH, data, 1)
    assert crumb.record is None
    assert crumb.version == 1
    assert reason in crumb.error
    assert crumb.error.startswith(f"{PATH} cannot be read")


@pytest.mark.parametrize("name", ["node", "machine_id", "epoch", "boot_id", "schema"])
def test_a_missing_field_is_named(name: str) -> None:
    data = json.dumps({key: value for key, value in GOOD.items() if key != name}).encode()
    assert f"{name} is missing" in codec.read_crumb(PATH, data, 1).error


@pytest.mark.parametrize("data", [b"", b"[]", b"7", b"{", b"\xff\xfe", b"[" * 60_000, b"null"])
def test_bytes_that_are_no_record_are_refused(data: bytes) -> None:
    assert codec.read_crumb(PATH, data, 1).error
    assert codec.read_control(PATH, data, 1).error


def test_a_record_that_is_too_large_is_neither_read_nor_written() -> None:
    large = json.dumps(GOOD | {"extra": "x" * LARGEST_RECORD}).encode()
    assert "too many" in codec.read_crumb(PATH, large, 1).error
    record = Breadcrumb(Node("db1", "m"), 1, "b", facts={"x": "y" * LARGEST_RECORD})
    with pytest.raises(RecordError, match="too large"):
        codec.encode_breadcrumb(record)


@pytest.mark.parametrize(
    "changes",
    [
        {"drained": [5]},
        {"drained": ["\ud800"]},
        {"drained": "db1"},
        {"pause": "yes"},
        {"pause": {"by": "op"}},
        {"switchover": {"id": "1"}},
        {"ended": [{}]},
        {"ended": ["x"]},
        {"ended": [{"order": {"id": "1", "from": "a", "epoch": 1}, "outcome": "x", "phases": {"a": "b"}}]},
        {"ended": [{"order": {"id": "1", "from": "a", "epoch": 1}, "outcome": "x", "phases": {"a": 10**400}}]},
    ],
)
def test_a_control_record_that_is_partly_wrong_is_refused_as_a_whole(
    changes: dict[str, Any],
) -> None:
    control = codec.read_control(PATH, json.dumps({"schema": SCHEMA} | changes).encode(), 4)
    assert PATH in control.error
    assert control.version == 4
    assert control.pause is None


def test_a_missing_control_record_says_what_to_do() -> None:
    assert "failoverctl format" in codec.read_control(PATH, None, -1).error


@pytest.mark.parametrize("changes", [{"role": "king"}, {"health": "fine"}, {"position": "far"}])
def test_a_member_from_the_future_is_refused(changes: dict[str, Any]) -> None:
    record = {"schema": 1, "node": "a", "machine_id": "m", "role": "standby", "health": "healthy"}
    with pytest.raises(RecordError, match=PATH):
        codec.read_member(PATH, json.dumps(record | changes).encode(), "s")


def test_a_member_record_of_an_older_version_is_not_impaired() -> None:
    record = {"schema": 1, "node": "a", "machine_id": "m", "role": "standby", "health": "healthy"}
    assert codec.read_member(PATH, json.dumps(record).encode(), "s").impaired == 0


def test_a_member_record_of_an_older_version_that_is_no_candidate_gives_no_reason() -> None:
    record = {"schema": 1, "node": "a", "machine_id": "m", "role": "standby", "health": "healthy", "candidate": False}
    read = codec.read_member(PATH, json.dumps(record).encode(), "s")
    assert (read.candidate, read.barred) == (False, "its record gives no reason")


def test_a_long_why_is_cut() -> None:
    member = Member(Node("a", "m"), why="x" * 10_000)
    read = codec.read_member(PATH, codec.encode_member(member), "")
    assert len(read.why) == codec.LONGEST_WHY


def test_a_history_entry_keeps_its_fields_and_its_bound() -> None:
    entry = {"at": "2024-01-01T00:00:00Z", "why": "ä", "more": [1, None]}
    assert codec.read_history(PATH, codec.encode_history(entry)) == entry
    large = codec.encode_history({"why": "x" * 100_000})
    assert len(large) < codec.LARGEST_HISTORY_ENTRY
    assert "cut_short" in codec.read_history(PATH, large)
    assert "unreadable" in codec.read_history(PATH, b"not JSON")


def test_a_history_entry_that_cannot_be_told_says_so() -> None:
    assert "not all text" in codec.read_history(PATH, b'{"schema":1,"why":["\\ud800"]}')["unreadable"]
    assert codec.read_history(PATH, b'{"schema":1,"why":"\\ud83d\\ude00"}') == {"why": "\U0001f600"}
