"""may-start, for the `ExecCondition=` of the service's own unit: exit 0 only if this node's controller agrees (S3).

It lies in the way of every promote, so it imports next to nothing: one request over the Unix socket, by hand.
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import sys
from collections.abc import Sequence
from pathlib import Path

from failover.cli.exit_codes import ExitCode
from failover.cli.failures import CommandFailed
from failover.cli.whereabouts import STATE_DIR, config_file, read, socket_path

TIMEOUT_S = 5.0
MOST_BYTES = 64 * 1024
_REQUEST = b"GET /v1/may-start HTTP/1.1\r\nHost: local\r\nConnection: close\r\n\r\n"


def main(arguments: Sequence[str]) -> int:
    """Ask, say the answer, and give the exit code: 0 yes, 1 no or nobody to ask, 2 wrong usage."""
    asked = _parser().parse_args(arguments)
    try:
        ok, why = ask(_socket(asked))
    except CommandFailed as failed:
        ok, why = False, failed.line()
    if asked.json:
        sys.stdout.write(json.dumps({"ok": ok, "why": why}) + "\n")
    else:
        sys.stdout.write(f"{'yes' if ok else 'no'}: {why}\n")
    return ExitCode.OK if ok else ExitCode.FAILED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="failoverctl may-start",
        description="May the service's own unit be started now? Exit 0: yes. For ExecCondition= in that unit.",
    )
    parser.add_argument("service", metavar="SERVICE", nargs="?", help="its name: saves reading the file")
    parser.add_argument("--state-dir", metavar="FOLDER", type=Path, default=Path(STATE_DIR), help="with SERVICE only")
    parser.add_argument("--config", metavar="FILE", type=Path, help="the controller's file; default: the only one")
    parser.add_argument("--json", action="store_true", help="for programs")
    return parser


def _socket(asked: argparse.Namespace) -> Path:
    if asked.service:
        return socket_path({"state_dir": asked.state_dir, "service": asked.service})
    return socket_path(read(config_file(asked.config)))


def ask(path: Path) -> tuple[bool, str]:
    """The controller's answer and its reason; nobody there, or nobody whom to believe, is a no."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(TIMEOUT_S)
        try:
            connection.connect(str(path))
            if not _is_trusted(connection, path):
                return False, f"whoever answers at {path} is neither root nor the controller's user"
            connection.sendall(_REQUEST)
            answer = _read(connection)
        except OSError as error:
            reason = error.strerror or str(error) or "no answer in time"
            return False, f"no controller answers at {path} ({reason}): only it may start the service"
    return _understood(answer)


def _is_trusted(connection: socket.socket, path: Path) -> bool:
    """Root asks a controller of another user, too: the one whose state folder it is."""
    credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
    uid = int.from_bytes(credentials[4:8], sys.byteorder)
    return uid in (0, os.geteuid() or path.parent.stat().st_uid)


def _read(connection: socket.socket) -> bytes:
    answer = b""
    while len(answer) < MOST_BYTES:
        part = connection.recv(MOST_BYTES)
        if not part:
            break
        answer += part
    return answer


def _understood(answer: bytes) -> tuple[bool, str]:
    head, _, body = answer.partition(b"\r\n\r\n")
    try:
        status = int(head.split(b" ", 2)[1])
        told = json.loads(body)
        why = str(told.get("why") or told.get("detail") or "")
    except (IndexError, ValueError, AttributeError):
        return False, "the controller's answer cannot be understood"
    return status == 200, why
