"""Whatever the file holds: a config or a ConfigError, never anything else."""

import copy
import json
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from config import Config, ConfigError, load
from config.documents import parse
from config.models import Config as Model
from config.problems import did_you_mean
from tests.config.conftest import GOOD

RICH = (
    GOOD
    + """\
    ask: {kind: controller, timeout: 2s}
  levels: [[ask], [power]]
  accept_blocking: true
on_store_loss: step_down
limits: {failovers: 3, retry: {first: 1s}}
api: {listen: 10.0.0.1:80, peer_secret: {env: HOME}, tokens: {file: /no/such}}
"""
)
PLAIN = parse(RICH).data
PUNCTUATION = st.text(alphabet="abkz01:-[]{}#&*!|>'\"%@`,? \n\t.~<=\\\0\x85\u2028\ufeff")
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=20),
    st.sampled_from(["6s", "ssh", "command", "a.b:1", "{node.x}", "127.0.0.1:1", "/bin/true", "10.0.0.1"]),
)
KEYS = st.one_of(st.text(max_size=8), st.sampled_from([*Model.model_fields, "kind", "run", "timeout", "<<", "[key]"]))
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(KEYS, inner, max_size=3)),
    max_leaves=8,
)


def _is_config_or_error(content: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "c.yaml")
        path.write_bytes(content)
        outcome = _outcome(path)
    if isinstance(outcome, ConfigError):
        assert outcome.problems
        assert all(problem.line >= 1 and problem.column >= 1 for problem in outcome.problems)
        assert str(outcome).encode()


def _outcome(path: Path) -> Config | ConfigError:
    try:
        return load(path)
    except ConfigError as error:
        return error


@given(st.binary())
def test_any_bytes(content: bytes) -> None:
    _is_config_or_error(content)


@given(st.one_of(st.text(), PUNCTUATION))
def test_any_text(text: str) -> None:
    _is_config_or_error(text.encode("utf-8", "replace"))


@given(st.data())
def test_the_file_with_a_piece_torn_out_or_put_in(data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(RICH)))
    end = data.draw(st.integers(start, min(len(RICH), start + 30)))
    _is_config_or_error((RICH[:start] + data.draw(PUNCTUATION) + RICH[end:]).encode())


def _containers(value: Any) -> list[Any]:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    here = [value] if isinstance(value, (dict, list)) and value else []
    return here + [found for item in inner for found in _containers(item)]


@settings(max_examples=300)
@given(st.data())
def test_any_value_in_any_place(data: st.DataObject) -> None:
    document = copy.deepcopy(PLAIN)
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.sampled_from(_containers(document)))
        key = data.draw(st.sampled_from(list(place) if isinstance(place, dict) else range(len(place))))
        if isinstance(place, dict) and data.draw(st.booleans()):
            key = data.draw(KEYS)
        place[key] = data.draw(VALUES)
    _is_config_or_error(json.dumps(document).encode())


@given(st.text(), st.lists(st.text(max_size=10), max_size=5))
def test_no_word_upsets_the_guessing(word: str, known: list[str]) -> None:
    assert isinstance(did_you_mean(word, known), str)
