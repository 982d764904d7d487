"""https: what is shown, who is let in, and that no client costs more than its own connection."""

import asyncio
import contextlib
import shutil
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from failover.api.access import Tokens
from failover.api.app import create_app
from failover.api.handshake import common_name
from failover.api.protocol import MOST_CONNECTIONS
from failover.api.server import ApiServer, ListenError
from failover.core.values import Verdict
from failover.ports.controller import DemoteAnswer
from failover.support.tls import TlsFiles, client_context
from fencing.controller import ControllerFence
from fencing.peer import PeerAuth
from tests.api.fakes import DB1, TOKENS, InMemoryController, ServedController
from tests.fencing.strikes import strike
from tests.servers.authority import LOOPBACK_NAMES, Authority, missing
from tests.servers.wait import eventually

pytestmark = pytest.mark.skipif(bool(missing()), reason="no openssl")

SECRET = b"a secret of all the peers"
CLIENTS = {"dora": "operate", "rita": "read"}


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path / "ca")


@pytest.fixture
def shown(authority: Authority) -> TlsFiles:
    """What the API is given; clients may show certificates of the same CA."""
    cert, key = authority.issue("db1")
    return TlsFiles(str(authority.path), str(cert), str(key))


@pytest.fixture
def api(controller: InMemoryController, shown: TlsFiles, tmp_path: Path) -> Iterator[ServedController]:
    folder = tmp_path / "state"
    folder.mkdir()
    with ServedController(controller, folder, peer_auth=PeerAuth(SECRET), tls=shown, clients=CLIENTS) as served:
        yield served


def client(authority: Authority, api: ServedController, name: str = "", token: str = "") -> httpx.Client:
    """One that trusts the CA, and shows a certificate or a token if it has one."""
    files = TlsFiles(str(authority.path), *map(str, authority.issue(name))) if name else TlsFiles(str(authority.path))
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return httpx.Client(base_url=api.url, verify=client_context(files), headers=headers, trust_env=False)


def address(api: ServedController) -> tuple[str, int]:
    host, port = api.url.removeprefix("https://").split(":")
    return host, int(port)


@pytest.mark.parametrize("path", ["/active", "/live", "/v1/status", "/v1/cluster", "/"])
def test_health_reads_and_the_page_are_open_as_before(authority: Authority, api: ServedController, path: str) -> None:
    with client(authority, api) as asking:
        answer = asking.get(path)
        assert (answer.status_code, answer.http_version) == (200, "HTTP/1.1")


def test_the_unix_socket_stays_without_tls(api: ServedController) -> None:
    with httpx.Client(transport=httpx.HTTPTransport(uds=str(api.socket)), base_url="http://local") as local:
        assert local.post("/v1/pause", json={"reason": "x"}).status_code == 200


def test_who_does_not_know_the_ca_does_not_believe_us(api: ServedController) -> None:
    with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
        httpx.get(f"{api.url}/active", trust_env=False)


def test_nothing_is_said_in_the_clear(api: ServedController) -> None:
    with pytest.raises(httpx.TransportError):
        httpx.get(api.url.replace("https", "http") + "/active", trust_env=False)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_tls_1_2_and_1_3_are_spoken(authority: Authority, api: ServedController, version: ssl.TLSVersion) -> None:
    context = client_context(TlsFiles(str(authority.path)))
    context.minimum_version = context.maximum_version = version
    assert httpx.get(f"{api.url}/active", verify=context, trust_env=False).status_code == 200


def test_nothing_older_is_spoken(api: ServedController) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning, match="TLS"):
        context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
    with socket.create_connection(address(api), timeout=10) as raw, pytest.raises((ssl.SSLError, ConnectionError)):
        context.wrap_socket(raw)


# --- client certificates ------------------------------------------------------------------------


def test_a_certificate_stands_for_its_role(
    authority: Authority, api: ServedController, controller: InMemoryController
) -> None:
    with client(authority, api, "dora") as dora:
        assert dora.post("/v1/pause", json={"reason": "x"}).status_code == 200
    with client(authority, api, "rita") as rita:
        refused = rita.post("/v1/pause", json={"reason": "x"})
    assert (refused.status_code, "rita (certificate) has the role read" in refused.text) == (403, True)
    assert controller.orders == [("pause", "x", "dora (certificate)")]


def test_a_certificate_without_a_role_gives_no_orders_and_is_told_so(
    authority: Authority, api: ServedController, controller: InMemoryController
) -> None:
    with client(authority, api, "eve") as eve:
        refused = eve.post("/v1/pause", json={"reason": "x"})
        assert (refused.status_code, "the certificate of eve has no role here" in refused.text) == (401, True)
        assert eve.get("/v1/status").status_code == 200
    assert not controller.orders


def test_a_token_goes_before_a_certificate_and_a_wrong_one_is_not_made_good_by_it(
    authority: Authority, api: ServedController, controller: InMemoryController
) -> None:
    token = next(secret for _, role, secret in TOKENS if role == "admin")
    with client(authority, api, "rita", token) as rita:
        assert rita.post("/v1/pause", json={"reason": "x"}).status_code == 200
    with client(authority, api, "dora", "wrong") as dora:
        assert dora.post("/v1/pause", json={"reason": "x"}).status_code == 401
    assert len(controller.orders) == 1


def test_a_certificate_of_another_ca_is_no_certificate(
    authority: Authority, api: ServedController, controller: InMemoryController, tmp_path: Path
) -> None:
    cert, key = Authority(tmp_path / "other").issue("dora")
    context = client_context(TlsFiles(str(authority.path), str(cert), str(key)))
    with pytest.raises(httpx.TransportError):
        httpx.post(f"{api.url}/v1/pause", json={"reason": "x"}, verify=context, trust_env=False)
    assert not controller.orders


def test_no_header_passes_for_a_certificate(authority: Authority, api: ServedController) -> None:
    with client(authority, api) as asking:
        names = {"X-SSL-Client-CN": "dora", "failover.certificate": "dora", "X-Forwarded-Client-Cert": "dora"}
        assert asking.post("/v1/pause", json={"reason": "x"}, headers=names).status_code == 401


def test_a_certificate_with_two_names_has_none() -> None:
    names = ((("commonName", "dora"),), (("commonName", "eve"),))
    assert common_name({"subject": names}) == ""
    assert common_name({"subject": names[:1]}) == "dora"
    assert common_name(None) == common_name({}) == ""


# --- bounds -------------------------------------------------------------------------------------


def test_silent_and_rude_clients_are_ended_and_others_are_served(authority: Authority, api: ServedController) -> None:
    """S10: nothing that a client does in its handshake reaches the loop's exception handler, which would end us."""
    faults: list[object] = []
    api.loop.call_soon_threadsafe(lambda: api.loop.set_exception_handler(lambda _, context: faults.append(context)))
    with contextlib.ExitStack() as many:
        silent = many.enter_context(socket.create_connection(address(api), timeout=15))
        for rude in (
            b"GET / HTTP/1.1\r\n\r\n",
            b"\x16\x03\x01\xff\xff" + b"x" * 70000,
            b"\x15\x03\x03\x00\x02\x02\x28",
        ):
            one = many.enter_context(socket.create_connection(address(api), timeout=15))
            with contextlib.suppress(OSError):
                one.sendall(rude)
                one.shutdown(socket.SHUT_WR)
        with client(authority, api) as asking:
            assert asking.get("/active").status_code == 200
        assert silent.recv(1) == b"", "given up after the handshake's deadline"
    assert not faults


def test_connections_are_counted_before_their_handshake(authority: Authority, api: ServedController) -> None:
    with contextlib.ExitStack() as many:
        for _ in range(MOST_CONNECTIONS):
            many.enter_context(socket.create_connection(address(api), timeout=15))

        def refused() -> bool:
            with socket.create_connection(address(api), timeout=15) as one:
                try:
                    return one.recv(1) == b""
                except ConnectionError:
                    return True

        assert refused()
    eventually(lambda: serves(authority, api), 10, "once they are gone others are served")


def serves(authority: Authority, api: ServedController) -> bool:
    with client(authority, api) as asking:
        try:
            return asking.get("/active").status_code == 200
        except httpx.TransportError:
            return False


def test_a_server_stops_while_a_client_is_in_its_handshake(
    controller: InMemoryController, shown: TlsFiles, tmp_path: Path
) -> None:
    with contextlib.ExitStack() as left:
        with ServedController(controller, tmp_path, tls=shown) as api:
            silent = left.enter_context(socket.create_connection(address(api), timeout=15))
        assert silent.recv(1) == b""


# --- files --------------------------------------------------------------------------------------


def serial(authority: Authority, api: ServedController) -> str:
    context = client_context(TlsFiles(str(authority.path)))
    raw = socket.create_connection(address(api), timeout=15)
    with context.wrap_socket(raw, server_hostname="localhost") as made:
        return str((made.getpeercert() or {})["serialNumber"])


def test_a_renewed_certificate_is_shown_from_the_next_connection_on(
    authority: Authority, api: ServedController, shown: TlsFiles
) -> None:
    """The old one as long as the new one and its key do not belong together."""
    before = serial(authority, api)
    cert, key = authority.issue("renewed")
    shutil.copy(cert, shown.cert)
    assert serial(authority, api) == before
    shutil.copy(key, shown.key)
    assert serial(authority, api) != before


def test_files_that_cannot_be_used_are_told_at_the_start(tmp_path: Path) -> None:
    app = create_app(InMemoryController(), Tokens(), None, 3.0)
    server = ApiServer(app, "127.0.0.1:0", None, TlsFiles("", str(tmp_path / "gone"), str(tmp_path / "gone")))
    with pytest.raises(ListenError, match=r"api\.tls: cert .* cannot be read"):
        asyncio.run(server.start())


# --- peers --------------------------------------------------------------------------------------


def demanded(where: str, tls: TlsFiles | None) -> tuple[Verdict, str]:
    fence = ControllerFence("ask", 10.0, PeerAuth(SECRET), tls)
    result = asyncio.run(fence.fence(strike(DB1, where)))
    return result.verdict, result.detail


def test_a_peer_is_asked_by_https(authority: Authority, api: ServedController, controller: InMemoryController) -> None:
    controller.demote_answer = DemoteAnswer(Verdict.DONE, DB1, 42, "demoted")
    where = api.url.removeprefix("https://")
    assert demanded(where, TlsFiles(str(authority.path)))[0] is Verdict.DONE


def test_a_peer_that_speaks_no_tls_yet_is_asked_in_the_clear(
    authority: Authority, controller: InMemoryController, tmp_path: Path
) -> None:
    controller.demote_answer = DemoteAnswer(Verdict.DONE, DB1, 42, "demoted")
    with ServedController(controller, tmp_path, peer_auth=PeerAuth(SECRET)) as old:
        where = old.url.removeprefix("http://")
        assert demanded(where, TlsFiles(str(authority.path)))[0] is Verdict.DONE


def test_a_peer_that_speaks_it_already_is_not_understood_by_one_without_a_ca(api: ServedController) -> None:
    verdict, detail = demanded(api.url.removeprefix("https://"), None)
    assert (verdict, "this node needs api.tls, too" in detail) == (Verdict.UNKNOWN, True)


def test_a_peer_whose_certificate_is_not_believed_is_not_asked_in_the_clear(
    api: ServedController, controller: InMemoryController, tmp_path: Path
) -> None:
    verdict, detail = demanded(api.url.removeprefix("https://"), TlsFiles(str(Authority(tmp_path / "other").path)))
    assert (verdict, "not signed by the CA in ca" in detail) == (Verdict.UNKNOWN, True)
    assert not controller.orders


def test_a_ca_that_is_gone_is_unknown_in_words(api: ServedController, tmp_path: Path) -> None:
    verdict, detail = demanded(api.url.removeprefix("https://"), TlsFiles(str(tmp_path / "gone")))
    assert (verdict, "api.tls: ca" in detail) == (Verdict.UNKNOWN, True)


def test_names_of_the_tests_are_those_of_loopback() -> None:
    assert "127.0.0.1" in LOOPBACK_NAMES
