"""``sentinel://`` URLs: a server found by asking sentinels, which know who is the master just now."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote, urlsplit

import redis.asyncio.sentinel
import redis.sentinel
from redis.connection import parse_url

SCHEME = "sentinel://"

#: Where a sentinel listens if the URL names no port.
DEFAULT_PORT = 26379

#: How long a sentinel may take to answer, in seconds, before the next one is asked.
SENTINEL_SECONDS = 2.0

#: Options for connections to sentinels, by their names in a URL's query.
_OF_SENTINELS = {"sentinel_username": "username", "sentinel_password": "password"}

_FORM = "sentinel://[USER:PASSWORD@]HOST[:PORT][,HOST[:PORT]...]/SERVICE[/DB][?OPTIONS]"


@dataclass(frozen=True)
class SentinelPlace:
    """What a URL names.

    Attributes:
        sentinels: host and port of each.
        service: the name by which they know the master.
        options: options of connections to the master, as redis-py names them.
        sentinel_options: options of connections to sentinels.
    """

    sentinels: list[tuple[str, int]]
    service: str
    options: dict[str, Any]
    sentinel_options: dict[str, Any]


def is_sentinel_url(url: str) -> bool:
    """Whether a URL names sentinels."""
    return url.startswith(SCHEME)


def read_sentinel_url(url: str) -> SentinelPlace:
    """What a URL names.

    Raises:
        ValueError: it is not of the form that such a URL has. The message shows no part of it.
    """
    parts = urlsplit(url)
    user, _, hosts = parts.netloc.rpartition("@")
    service, *rest = [unquote(part) for part in parts.path.split("/")[1:]] or [""]
    db = "".join(rest) or "0"
    if not service or len(rest) > 1 or not db.isdecimal():
        raise ValueError(f"a URL of sentinels has the form {_FORM}")
    options: dict[str, Any] = parse_url(f"redis://{user}@localhost/{db}?{parts.query}")  # type: ignore[no-untyped-call]
    del options["host"]
    if "ssl" in options:
        raise ValueError(
            "TLS is not asked for in a URL of sentinels: make the client in your program, with redis.sentinel.Sentinel"
        )
    of_sentinels = {_OF_SENTINELS[name]: options.pop(name) for name in _OF_SENTINELS if name in options}
    return SentinelPlace([_address(host) for host in hosts.split(",")], service, options, of_sentinels)


def _address(text: str) -> tuple[str, int]:
    try:
        parts = urlsplit(f"//{text}")
        host, port = parts.hostname, parts.port
    except ValueError:
        host = port = None
    if not host:
        raise ValueError(f"a sentinel has no host, or a port that is no number: the form is {_FORM}")
    return unquote(host), port or DEFAULT_PORT


def master_client(kind: Callable[..., Any], place: SentinelPlace, *, retry: object) -> Any:
    """A client of whoever is the master.

    Args:
        kind: ``redis.sentinel.Sentinel``, or that of ``redis.asyncio``.
        place: which master.
        retry: when a connection that breaks is tried again.
    """
    times = {"socket_timeout": SENTINEL_SECONDS, "socket_connect_timeout": SENTINEL_SECONDS}
    sentinels = kind(place.sentinels, sentinel_kwargs={**times, "retry": retry, **place.sentinel_options})
    return sentinels.master_for(place.service, retry=retry, **place.options)


def asks_sentinels(client: Any) -> bool:
    """Whether a client finds its server by asking sentinels."""
    pools = (redis.sentinel.SentinelConnectionPool, redis.asyncio.sentinel.SentinelConnectionPool)
    return isinstance(client.connection_pool, pools)


def pools_of(client: Any) -> list[Any]:
    """A client's pool of connections, and those to its sentinels."""
    pool = client.connection_pool
    sentinels = pool.sentinel_manager.sentinels if asks_sentinels(client) else []
    return [pool, *(sentinel.connection_pool for sentinel in sentinels)]


def sentinel_address(client: Any) -> str:
    """Where the server of such a client is, for people."""
    pool, *sentinels = pools_of(client)
    facts = [sentinel.connection_kwargs for sentinel in sentinels]
    hosts = ",".join(f"{each['host']}:{each['port']}" for each in facts)
    return f"{SCHEME}{hosts}/{pool.service_name}"


def is_without_master(error: Exception) -> bool:
    """Whether an error says that no sentinel told of a master."""
    return isinstance(error, (redis.sentinel.MasterNotFoundError, redis.asyncio.sentinel.MasterNotFoundError))
