"""A TLS handshake with ourselves, in memory: would a peer believe this certificate?

Opens no socket. Loaded only where a certificate is named: idle memory counts.
"""

import ssl

MOST_TURNS = 20


def rehearse(cert: str, key: str, password: str | None, ca: str, host: str) -> str:
    """Why a client that trusts `ca` refuses the server at `host`; "" if it does not. The files have been looked at."""
    server, client = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    server.load_cert_chain(cert, key, password=lambda: password or "")
    client.load_verify_locations(ca)
    there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = [
        client.wrap_bio(back, there, server_hostname=host),
        server.wrap_bio(there, back, server_side=True),
    ]
    for turn in range(MOST_TURNS):
        try:
            ends[turn % 2].do_handshake()
        except ssl.SSLWantReadError:
            continue
        except ssl.SSLCertVerificationError as error:
            return error.verify_message.rstrip(".")
        except ssl.SSLError as error:
            return (error.reason or str(error)).lower().replace("_", " ")
    return ""
