"""A peer's demand: signed both ways, and answered by whoever the controller is."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from failover.core.values import Verdict
from failover.ports.controller import DemoteAnswer
from fencing.peer import PATH, Demand, PeerAuth
from tests.api.fakes import DB1, InMemoryController, ServedController

SECRET = b"a secret of all the peers"
DEMAND = Demand("orders-db", DB1, 8, "db2")


@pytest.fixture
def peers(controller: InMemoryController, tmp_path: Path) -> Iterator[ServedController]:
    with ServedController(controller, tmp_path, peer_auth=PeerAuth(SECRET)) as served:
        yield served


def send(api: ServedController, body: bytes) -> httpx.Response:
    return httpx.post(api.url + PATH, content=body, trust_env=False)


def test_a_signed_demand_is_given_to_the_controller_and_its_answer_is_signed(
    peers: ServedController, controller: InMemoryController
) -> None:
    peer = PeerAuth(SECRET)
    body, nonce = peer.sign_demand(DEMAND)
    told = peer.verify_answer(send(peers, body).content, nonce)
    assert (told.verdict, told.node, told.epoch) == (Verdict.DONE, DB1, 8)
    assert controller.orders == [("demand_demote", DB1, 8, "db2")]


def test_the_controllers_no_is_answered_as_such(peers: ServedController, controller: InMemoryController) -> None:
    controller.demote_answer = DemoteAnswer(Verdict.NOT_DONE, DB1, 9, "epoch 8 is not above 9")
    peer = PeerAuth(SECRET)
    body, nonce = peer.sign_demand(DEMAND)
    assert peer.verify_answer(send(peers, body).content, nonce).verdict is Verdict.NOT_DONE


def test_a_demand_that_is_not_signed_with_our_secret_is_refused(
    peers: ServedController, controller: InMemoryController
) -> None:
    forged, _ = PeerAuth(b"another secret, quite long").sign_demand(DEMAND)
    for body in (forged, b"{}", b"", b"x"):
        answer = send(peers, body)
        assert answer.status_code == 403
        assert answer.json()["type"] == "urn:failoverd:not-believed"
    assert controller.orders == []


def test_a_demand_is_taken_once(peers: ServedController, controller: InMemoryController) -> None:
    body, _ = PeerAuth(SECRET).sign_demand(DEMAND)
    assert send(peers, body).status_code == 200
    assert send(peers, body).status_code == 403
    assert len(controller.orders) == 1


def test_a_demand_for_another_service_is_not_done(peers: ServedController, controller: InMemoryController) -> None:
    peer = PeerAuth(SECRET)
    body, nonce = peer.sign_demand(Demand("billing-db", DB1, 8, "db2"))
    assert peer.verify_answer(send(peers, body).content, nonce).verdict is Verdict.NOT_DONE
    assert controller.orders == []


def test_a_token_is_no_demand_and_without_a_secret_there_is_none(api: ServedController) -> None:
    headers = {"Authorization": "Bearer t-admin"}
    answer = httpx.post(api.url + PATH, content=b"{}", headers=headers, trust_env=False)
    assert answer.status_code == 403
    assert "peer_secret" in answer.json()["next"]
