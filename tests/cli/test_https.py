"""failoverctl against an API that speaks https: by `--ca`, by the file's own settings, and in words where it fails."""

from pathlib import Path

import pytest

from failover.support.tls import TlsFiles
from tests.api.fakes import InMemoryController, ServedController
from tests.cli.conftest import run_command
from tests.servers.authority import Authority, missing

pytestmark = pytest.mark.skipif(bool(missing()), reason="no openssl")


def test_a_controller_is_asked_by_https(controller: InMemoryController, tmp_path: Path) -> None:
    authority = Authority(tmp_path / "ca")
    cert, key = authority.issue("db1")
    with ServedController(controller, tmp_path, tls=TlsFiles("", str(cert), str(key))) as api:
        assert run_command("status", "--url", api.url, "--ca", authority.path, "--json").code == 0
        assert run_command("status", "--url", api.url, "--json", env={"FAILOVERCTL_CA": str(authority.path)}).code == 0

        stranger = run_command("status", "--url", api.url)
        assert (stranger.code, "certificate verify failed" in stranger.err) == (11, True)
        other = run_command("status", "--url", api.url, "--ca", Authority(tmp_path / "other").path)
        assert (other.code, "certificate verify failed" in other.err) == (11, True)
        none = run_command("status", "--url", api.url, "--ca", tmp_path / "gone")
        assert "name the CA's file with --ca FILE" in none.err

        config = tmp_path / "orders-db.yaml"
        address = api.url.removeprefix("https://")
        tls = f"{{cert: {cert}, key: {key}, ca: {authority.path}}}"
        listen = f"listen: '0.0.0.0:1', advertise: '{address}'"
        config.write_text(f"service: orders-db\nstate_dir: {tmp_path}/none\napi: {{{listen}, tls: {tls}}}\n")
        assert run_command("status", "--config", config, "--json").code == 0
