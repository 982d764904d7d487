"""What peers sign: only what was signed with the shared secret, in this direction, for this demand, is believed."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from failover.core.values import Node, Verdict
from fencing.peer import LARGEST_BODY, MOST_NONCES, Demand, PeerAnswer, PeerAuth, PeerAuthError

SECRET = b"a secret of the peers"
DEMAND = Demand("orders-db", Node("db2", "machine-2"), 42, "db1")
ANSWER = PeerAnswer("orders-db", Node("db2", "machine-2"), 42, Verdict.DONE, "demoted in 1.2 s")

Change = Callable[[dict[str, Any]], object]


def auth(secret: bytes = SECRET) -> PeerAuth:
    return PeerAuth(secret, now_s=lambda: 1000.0)


def changed(body: bytes, change: Change) -> bytes:
    fields = json.loads(body)
    change(fields)
    return json.dumps(fields).encode()


def test_a_demand_arrives_as_it_was_sent() -> None:
    body, nonce = auth().sign_demand(DEMAND)
    assert auth().verify_demand(body) == Demand("orders-db", Node("db2", "machine-2"), 42, "db1", nonce, 1000.0)


def test_an_answer_arrives_as_it_was_sent() -> None:
    asker, asked = auth(), auth()
    body, nonce = asker.sign_demand(DEMAND)
    answer = asker.verify_answer(asked.sign_answer(asked.verify_demand(body), ANSWER), nonce)
    assert (answer.node, answer.epoch, answer.verdict, answer.detail) == (
        DEMAND.target,
        42,
        Verdict.DONE,
        "demoted in 1.2 s",
    )


@pytest.mark.parametrize(
    "change",
    [
        lambda fields: fields.update(epoch=43),
        lambda fields: fields.update(node="db3"),
        lambda fields: fields.update(machine_id="machine-3"),
        lambda fields: fields.update(service="other"),
        lambda fields: fields.update(by="mallory"),
        lambda fields: fields.update(nonce="0" * 32),
        lambda fields: fields.update(at=2000.0),
        lambda fields: fields.update(added=1),
        lambda fields: fields.pop("by"),
        lambda fields: fields.update(signature="0" * 64),
    ],
)
def test_whatever_is_changed_on_the_way_the_signature_is_wrong(change: Change) -> None:
    body, _ = auth().sign_demand(DEMAND)
    with pytest.raises(PeerAuthError, match="its signature is wrong"):
        auth().verify_demand(changed(body, change))


def test_another_secret_is_not_believed() -> None:
    body, _ = auth(b"the secret of somebody else").sign_demand(DEMAND)
    with pytest.raises(PeerAuthError, match="do both peers have the same secret"):
        auth().verify_demand(body)


@pytest.mark.parametrize("signature", [None, 7])
def test_what_is_not_signed_is_not_believed(signature: object) -> None:
    body, _ = auth().sign_demand(DEMAND)
    with pytest.raises(PeerAuthError, match="it is not signed"):
        auth().verify_demand(changed(body, lambda fields: fields.update(signature=signature)))


def test_a_demand_is_not_an_answer_nor_an_answer_a_demand() -> None:
    body, nonce = auth().sign_demand(DEMAND)
    with pytest.raises(PeerAuthError, match="it is not 'answer' but 'demand'"):
        auth().verify_answer(body, nonce)
    answer = auth().sign_answer(auth().verify_demand(body), ANSWER)
    with pytest.raises(PeerAuthError, match="it is not 'demand' but 'answer'"):
        auth().verify_demand(answer)


def test_an_answer_to_another_demand_is_not_believed() -> None:
    asked = auth()
    first, _ = auth().sign_demand(DEMAND)
    _, second_nonce = auth().sign_demand(DEMAND)
    answer = asked.sign_answer(asked.verify_demand(first), ANSWER)
    with pytest.raises(PeerAuthError, match="to another demand"):
        auth().verify_answer(answer, second_nonce)


def test_a_replay_is_refused() -> None:
    asked = auth()
    body, _ = auth().sign_demand(DEMAND)
    asked.verify_demand(body)
    with pytest.raises(PeerAuthError, match="a replay"):
        asked.verify_demand(body)


def test_two_demands_of_the_same_words_are_two_demands() -> None:
    asked = auth()
    asked.verify_demand(auth().sign_demand(DEMAND)[0])
    asked.verify_demand(auth().sign_demand(DEMAND)[0])


def test_the_memory_of_nonces_is_bounded() -> None:
    asked = auth()
    bodies = [auth().sign_demand(DEMAND)[0] for _ in range(MOST_NONCES + 1)]
    for body in bodies:
        asked.verify_demand(body)
    with pytest.raises(PeerAuthError, match="a replay"):
        asked.verify_demand(bodies[1])
    asked.verify_demand(bodies[0])  # forgotten; harmless, its epoch is below the floor by now


def test_what_was_refused_takes_no_room_in_the_memory() -> None:
    asked = auth()
    body, _ = auth().sign_demand(DEMAND)
    with pytest.raises(PeerAuthError):
        asked.verify_demand(changed(body, lambda fields: fields.update(epoch=1)))
    asked.verify_demand(body)


def test_a_short_secret_is_refused() -> None:
    with pytest.raises(ValueError, match="fewer than 16 bytes"):
        PeerAuth(b"short")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda fields: fields.update(schema=2), "schema is 2"),
        (lambda fields: fields.update(epoch="42"), "'epoch'"),
        (lambda fields: fields.update(epoch=True), "'epoch'"),
        (lambda fields: fields.update(epoch=-1), "'epoch'"),
        (lambda fields: fields.update(node=None), "'node'"),
        (lambda fields: fields.update(node="x" * 2000), "'node'"),
        (lambda fields: fields.update(nonce=""), "nonce"),
    ],
)
def test_a_signed_demand_that_makes_no_sense_is_refused_in_words(change: Change, words: str) -> None:
    """Another version, or a mistake: never guessed at."""
    fields = json.loads(auth().sign_demand(DEMAND)[0])
    del fields["signature"]
    change(fields)
    fields["signature"] = auth()._signature(fields)
    with pytest.raises(PeerAuthError, match=words):
        auth().verify_demand(json.dumps(fields).encode())


@pytest.mark.parametrize(
    "body", [b"", b"null", b"[]", b"{", b"\xff", b"[" * 10_000, b'{"signature": "\\ud800"}', b"{}" * LARGEST_BODY]
)
def test_garbage_is_refused_in_words(body: bytes) -> None:
    with pytest.raises(PeerAuthError):
        auth().verify_demand(body)


@given(st.binary(max_size=300))
def test_no_garbage_does_worse_than_being_refused(body: bytes) -> None:
    with pytest.raises(PeerAuthError):
        auth().verify_answer(body, "nonce")
