"""The demand that a peer demote, and its answer: JSON, signed with the peers' shared secret (`kind: controller`).

A signature covers every field, and the direction: a demand can never be turned into an answer. The answer repeats the
demand's nonce. Knows nothing of HTTP, nor of what is to be done about a demand; the wall-clock time is information only
(peers' clocks may be wrong).

A replay is harmless as well as refused: what is demanded is bound to one epoch, and whoever obeyed it once keeps that
epoch on disk as its floor. So the memory of nonces may be bounded.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from failover.core.values import Node, Verdict

PATH = "/v1/peer/demote"
SCHEMA = 1
SHORTEST_SECRET = 16
LARGEST_BODY = 16 * 1024
MOST_NONCES = 4096
LONGEST_TEXT = 1000
_DEMAND = "demand"
_ANSWER = "answer"


class PeerAuthError(Exception):
    """A demand or an answer that must not be believed; the message says why, and is safe to tell."""


@dataclass(frozen=True, slots=True)
class Demand:
    """`by`, who holds the lock, demands that `target` demote: nothing below `epoch` may be active there again."""

    service: str
    target: Node
    epoch: int
    by: str
    nonce: str = ""
    at: float = 0.0


@dataclass(frozen=True, slots=True)
class PeerAnswer:
    """What the peer answers: who it is itself, and its verdict under the demand's epoch."""

    service: str
    node: Node
    epoch: int
    verdict: Verdict
    detail: str = ""
    nonce: str = ""
    at: float = 0.0


class PeerAuth:
    """Signs and verifies with one shared secret. `now_s` gives wall-clock seconds, `new_nonce` a fresh nonce.

    Raises ValueError for a secret of fewer than SHORTEST_SECRET bytes.
    """

    def __init__(
        self,
        secret: bytes,
        now_s: Callable[[], float] = time.time,
        new_nonce: Callable[[], str] = lambda: secrets.token_hex(16),
    ) -> None:
        if len(secret) < SHORTEST_SECRET:
            raise ValueError(f"the peers' secret has fewer than {SHORTEST_SECRET} bytes")
        self._secret = secret
        self._now_s = now_s
        self._new_nonce = new_nonce
        self._seen: OrderedDict[str, None] = OrderedDict()

    def sign_demand(self, demand: Demand) -> tuple[bytes, str]:
        """The body to send, and the nonce that its answer must repeat (fresh, whatever `demand.nonce` says)."""
        nonce = self._new_nonce()
        fields = {
            "service": demand.service,
            "node": demand.target.name,
            "machine_id": demand.target.machine_id,
            "epoch": demand.epoch,
            "by": demand.by,
        }
        return self._sign(_DEMAND, nonce, fields), nonce

    def verify_demand(self, body: bytes) -> Demand:
        """The demand, if it was signed with our secret and its nonce is new. Raises PeerAuthError."""
        fields = self._verify(_DEMAND, body)
        demand = Demand(
            service=_text(fields, "service"),
            target=Node(_text(fields, "node"), _text(fields, "machine_id")),
            epoch=_epoch(fields),
            by=_text(fields, "by"),
            nonce=_nonce(fields),
            at=_at(fields),
        )
        self._remember(demand.nonce)
        return demand

    def sign_answer(self, demand: Demand, answer: PeerAnswer) -> bytes:
        """The body that answers `demand`; its nonce is the demand's."""
        fields = {
            "service": answer.service,
            "node": answer.node.name,
            "machine_id": answer.node.machine_id,
            "epoch": answer.epoch,
            "verdict": answer.verdict.value,
            "detail": answer.detail[:LONGEST_TEXT],
        }
        return self._sign(_ANSWER, demand.nonce, fields)

    def verify_answer(self, body: bytes, nonce: str) -> PeerAnswer:
        """The answer to the demand of that nonce. Raises PeerAuthError."""
        fields = self._verify(_ANSWER, body)
        if not hmac.compare_digest(_nonce(fields).encode(), nonce.encode()):
            raise PeerAuthError("the answer is to another demand")
        return PeerAnswer(
            service=_text(fields, "service"),
            node=Node(_text(fields, "node"), _text(fields, "machine_id")),
            epoch=_epoch(fields),
            verdict=_verdict(fields),
            detail=_text(fields, "detail"),
            nonce=nonce,
            at=_at(fields),
        )

    def _sign(self, direction: str, nonce: str, fields: Mapping[str, object]) -> bytes:
        signed = {**fields, "schema": SCHEMA, "direction": direction, "nonce": nonce, "at": round(self._now_s(), 3)}
        return _canonical({**signed, "signature": self._signature(signed)})

    def _signature(self, fields: Mapping[str, object]) -> str:
        return hmac.new(self._secret, b"failoverd peer\n" + _canonical(fields), hashlib.sha256).hexdigest()

    def _verify(self, direction: str, body: bytes) -> dict[str, Any]:
        """Signature first: nothing of an unsigned body is looked at."""
        fields = _parse(body)
        claimed = fields.pop("signature", None)
        if not isinstance(claimed, str):
            raise PeerAuthError("it is not signed")
        if not hmac.compare_digest(claimed.encode("utf-8", "replace"), self._signature(fields).encode()):
            raise PeerAuthError("its signature is wrong: do both peers have the same secret?")
        if fields.get("schema") != SCHEMA:
            raise PeerAuthError(f"its schema is {fields.get('schema')!r}, not {SCHEMA}: do the versions differ?")
        if fields.get("direction") != direction:
            raise PeerAuthError(f"it is not {direction!r} but {fields.get('direction')!r}")
        return fields

    def _remember(self, nonce: str) -> None:
        if nonce in self._seen:
            raise PeerAuthError("this very demand was received before: a replay")
        self._seen[nonce] = None
        while len(self._seen) > MOST_NONCES:
            self._seen.popitem(last=False)


def _canonical(fields: Mapping[str, object]) -> bytes:
    return json.dumps(fields, sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode()


def _parse(body: bytes) -> dict[str, Any]:
    if len(body) > LARGEST_BODY:
        raise PeerAuthError(f"it is longer than {LARGEST_BODY} bytes")
    try:
        fields = json.loads(body)
    except (ValueError, RecursionError):
        raise PeerAuthError("it is not JSON") from None
    if not isinstance(fields, dict):
        raise PeerAuthError("it is not a JSON object")
    return fields


def _text(fields: Mapping[str, Any], name: str) -> str:
    value = fields.get(name)
    if not isinstance(value, str) or len(value) > LONGEST_TEXT:
        raise PeerAuthError(f"its field {name!r} is missing or not a text")
    return value


def _epoch(fields: Mapping[str, Any]) -> int:
    value = fields.get("epoch")
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise PeerAuthError("its field 'epoch' is missing or not a number")
    return value


def _nonce(fields: Mapping[str, Any]) -> str:
    value = _text(fields, "nonce")
    if not value:
        raise PeerAuthError("its nonce is empty")
    return value


def _verdict(fields: Mapping[str, Any]) -> Verdict:
    try:
        return Verdict(_text(fields, "verdict"))
    except ValueError:
        raise PeerAuthError("its verdict is none of done, not_done, unknown") from None


def _at(fields: Mapping[str, Any]) -> float:
    value = fields.get("at")
    return float(value) if isinstance(value, (int, float)) else 0.0
