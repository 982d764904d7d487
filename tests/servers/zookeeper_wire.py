"""What no client library offers: ZooKeeper's four-letter words, and closing another's session.

It knows no server process and no client library.
"""

import socket
import struct

from tests.servers.ports import LOOPBACK

_ANSWER_S = 1.0
_CONNECT = struct.Struct(">iiqiqi16s?")
_CLOSE = struct.Struct(">iii")
_CLOSE_SESSION = -11


def ask(port: int, word: str, host: str = LOOPBACK) -> str:
    """The answer to a four-letter word, or '' when the server does not answer within a second."""
    try:
        with socket.create_connection((host, port), timeout=_ANSWER_S) as connection:
            connection.sendall(word.encode("ascii"))
            return _read_to_end(connection).decode("utf-8", errors="replace")
    except OSError:
        return ""


def mode_in(answer: str) -> str:
    """What an answer to `srvr` says; '' when it does not."""
    for line in answer.splitlines():
        if line.startswith("Mode: "):
            return line.removeprefix("Mode: ")
    return ""


def close_session(port: int, session_id: int, password: bytes) -> bool:
    """Attach to a session and close it; True when the server says that there is no such session.

    Attaching takes the session from the connection that had it, whose client attaches again at
    once; that may come between our attaching and our closing. So close until True.
    """
    body = _CONNECT.size - 4
    attach = _CONNECT.pack(body, 0, 0, 10_000, _signed(session_id), 16, password, False)
    try:
        with socket.create_connection((LOOPBACK, port), timeout=_ANSWER_S) as connection:
            connection.sendall(attach + _CLOSE.pack(8, 1, _CLOSE_SESSION))
            answer = _read_to_end(connection)
    except OSError:
        return False
    # length, protocol, negotiated time-out: 0 says that the session has expired
    return len(answer) >= 12 and struct.unpack_from(">i", answer, 8) == (0,)


def _signed(session_id: int) -> int:
    return session_id - 2**64 if session_id >= 2**63 else session_id


def _read_to_end(connection: socket.socket) -> bytes:
    chunks = []
    while chunk := connection.recv(65_536):
        chunks.append(chunk)
    return b"".join(chunks)
