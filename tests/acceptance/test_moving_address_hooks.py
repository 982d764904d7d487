"""The shipped hooks that move an address with a Redis: what they answer where it is well, down, or cannot be asked."""

from __future__ import annotations

import os
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.servers import redis
from tests.servers.ports import free_port
from tests.servers.redis import Redis

HOOKS = Path(__file__).resolve().parents[2] / "config" / "examples" / "moving-address"
DONE, NOT_DONE, UNKNOWN = 0, 1, 2

pytestmark = pytest.mark.skipif(bool(redis.missing()), reason=f"no Redis: {', '.join(redis.missing())}")


def demoted(folder: Path, port: int, dropped: int = DONE, path: str = os.environ["PATH"]) -> int:
    """The exit code of demote, for a Redis on this port; `dropped`: what becomes of the address."""
    text = (HOOKS / "demote").read_text("utf-8").replace("redis-cli ", f"redis-cli -p {port} ")
    hook = folder / "demote"
    hook.write_text(text.replace("/etc/failoverd/address drop 10.0.0.10", f"(exit {dropped})"), "utf-8")
    done = subprocess.run(["/bin/sh", str(hook)], env={"PATH": path}, timeout=20, capture_output=True, check=False)
    return done.returncode


@contextmanager
def hanging_up() -> Iterator[int]:
    """A port where everybody is let in and sent away."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            while True:
                try:
                    listener.accept()[0].close()
                except OSError:
                    return

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join(5)


def test_a_redis_that_is_demoted_is_a_replica(tmp_path: Path) -> None:
    with Redis() as server:
        assert demoted(tmp_path, server.port) == DONE
        assert "slave" in str(server.command("ROLE"))
        assert demoted(tmp_path, server.port, dropped=UNKNOWN) == UNKNOWN


def test_a_redis_that_is_down_is_demoted(tmp_path: Path) -> None:
    assert demoted(tmp_path, free_port()) == DONE
    assert demoted(tmp_path, free_port(), dropped=NOT_DONE) == NOT_DONE


def test_a_redis_that_cannot_be_asked_is_not_taken_for_down(tmp_path: Path) -> None:
    with hanging_up() as port:
        assert demoted(tmp_path, port) == UNKNOWN
    with Redis() as server:
        assert demoted(tmp_path, server.port, path="/nonexistent") == UNKNOWN
