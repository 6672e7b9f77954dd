"""TLS: what a ``rediss://`` URL means here, and what a person can do when it fails."""

from __future__ import annotations

import re
from urllib.parse import parse_qs, urlsplit

SCHEME = "rediss://"

_SIGNED_BY_WHOM = (
    "This computer does not know who signed the server's certificate: name the file with the authority's in the URL, "
    "as in rediss://HOST:PORT?ssl_ca_certs=/path/to/ca.pem"
)
_OTHER_HOST = (
    "The certificate is for another host: use a name in the URL that it is for. If there is none, and the authority "
    "signs for nobody else, add ssl_check_hostname=false to the URL's query"
)
_NEEDS_CERTIFICATE = (
    "If the server wants its clients to have a certificate that it knows, name the files in the URL: "
    "?ssl_certfile=/path/to/client.pem&ssl_keyfile=/path/to/client-key.pem"
)
_FILES = "Look at the files that the URL names for TLS: ssl_ca_certs, ssl_certfile and ssl_keyfile"
_NO_TLS = "If the server does not speak TLS at this port, write redis:// instead of rediss://"

#: What errors say, and the way out of them. They come as text: redis-py makes errors of its own of them.
_WAYS_OUT = (
    (re.compile(r"certificate verify failed: .*(issuer|self.signed)"), _SIGNED_BY_WHOM),
    (re.compile(r"certificate verify failed: .*mismatch"), _OTHER_HOST),
    (re.compile(r"ALERT_\w*(CERTIFICATE|UNKNOWN_CA|HANDSHAKE_FAILURE)|[Cc]onnection closed"), _NEEDS_CERTIFICATE),
    (re.compile(r"No such file|Permission denied|PEM|NO_CERTIFICATE_OR_CRL|KEY_VALUES_MISMATCH"), _FILES),
    (re.compile(r"WRONG_VERSION_NUMBER|RECORD_LAYER_FAILURE|Timeout connecting"), _NO_TLS),
)

_NEEDS_TLS = "If the server speaks only TLS at this port, write rediss:// instead of redis://"


def checks_of(url: str) -> dict[str, bool]:
    """Options of a connection to a ``rediss://`` URL which see to it that the server is the one that the URL names.

    redis-py before 6 takes every certificate that a known authority has signed for anyone, unless it is told to compare
    the names.
    """
    query = parse_qs(urlsplit(url).query)
    if not url.startswith(SCHEME) or query.get("ssl_cert_reqs") == ["none"]:
        return {}
    return {"ssl_check_hostname": True}  # what the URL's query says comes first


def way_out_of(error: Exception, address: str) -> str:
    """What a person can do about an error of a connection, if it may be about TLS; else nothing."""
    text = str(error)
    if address.startswith(SCHEME):
        return next((way_out for what, way_out in _WAYS_OUT if what.search(text)), "")
    return _NEEDS_TLS if address.startswith("redis://") and re.search("[Cc]onnection closed", text) else ""
