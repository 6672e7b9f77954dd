"""From a URL to a client: redis-py's URLs, those of sentinels, and ``embedded:FOLDER`` for a server of one's own."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import redis.asyncio.sentinel
import redis.sentinel
from redis import Redis
from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import NoBackoff
from redis.retry import Retry

from rqdeps.configuration import TABLE_NAME, configuration
from rqdeps.embedded import anchored, async_connection_pool, connection_pool, folder_of, is_embedded_url
from rqdeps.store.async_store import AsyncStore
from rqdeps.store.keys import DEFAULT_NAMESPACE, Keys
from rqdeps.store.pool import QuickPool
from rqdeps.store.sentinel import SentinelPlace, is_sentinel_url, master_client, read_sentinel_url
from rqdeps.store.store import Store
from rqdeps.store.tls import checks_of

#: The environment variable that names the server where the program doesn't.
URL_VARIABLE = "RQDEPS_URL"

#: Where a server is looked for when nothing names one.
DEFAULT_URL = "redis://localhost:6379"

_SCHEMES = ("redis://", "rediss://", "unix://", "sentinel://")


@dataclass(frozen=True)
class StandIn:
    """What answers in place of a server, in tests.

    Attributes:
        client: makes a client of it.
        async_client: makes one for asyncio.
    """

    client: Callable[[], Redis]
    async_client: Callable[[], redis.asyncio.Redis]


#: What answers in place of the servers behind these URLs; under ``None``, of the one that is meant where none is given.
stand_ins: dict[str | None, StandIn] = {}

#: Where they are, for people.
_STOOD_IN_FOR = "a stand-in, for a test"


def connect(url: str | None = None, *, namespace: str = DEFAULT_NAMESPACE, create: bool = True) -> Store:
    """The data behind a URL. Nothing is sent before the first call.

    Args:
        url: ``redis://``, ``rediss://`` or ``unix://`` as in redis-py, ``sentinel://HOST:PORT,HOST:PORT/SERVICE``, or
            ``embedded:FOLDER``. By default that of the environment variable ``RQDEPS_URL``, else that of
            ``[tool.rqdeps]`` in the nearest ``pyproject.toml``, else ``redis://localhost:6379``.
        namespace: the hash tag of all keys, which keeps deployments on one server apart.
        create: whether an embedded server's folder is made if there is none; those who only read pass ``False``.

    Raises:
        TypeError: the URL is no text.
        ValueError: the URL is of no known kind, redis-py can't read it, or ``pyproject.toml`` says something that
            can't be.
        EmbeddedServerError: the embedded server is not installed, or can't be started.
    """
    if (instead := stand_ins.get(url)) is not None:
        return Store(instead.client(), Keys(namespace), address=_STOOD_IN_FOR)
    place = _place_of(url)
    if place.folder is not None:
        client = Redis(connection_pool=connection_pool(place.folder, create=create))
    else:
        # Calls are sent again by the store, which tells the scripts that it is a second time.
        client = _client_of(Redis, QuickPool, redis.sentinel.Sentinel, place, retry=Retry(NoBackoff(), 0))
    return Store(client, Keys(namespace), address=place.address, hint=place.hint)


def connect_async(url: str | None = None, *, namespace: str = DEFAULT_NAMESPACE, create: bool = True) -> AsyncStore:
    """The data behind a URL, for programs on asyncio. Takes and raises what ``connect`` does."""
    if (instead := stand_ins.get(url)) is not None:
        return AsyncStore(instead.async_client(), Keys(namespace), address=_STOOD_IN_FOR, owns_client=True)
    place = _place_of(url)
    if place.folder is not None:
        pool = async_connection_pool(place.folder, create=create, retry=AsyncRetry(NoBackoff(), 0))
        client = redis.asyncio.Redis(connection_pool=pool)
    else:
        client = _client_of(
            redis.asyncio.Redis,
            redis.asyncio.ConnectionPool,
            redis.asyncio.sentinel.Sentinel,
            place,
            retry=AsyncRetry(NoBackoff(), 0),
        )
    return AsyncStore(client, Keys(namespace), address=place.address, hint=place.hint, owns_client=True)


@dataclass(frozen=True)
class _Place:
    """What a URL names.

    Attributes:
        url: the URL.
        address: it as people may see it.
        hint: what to tell a person when nothing answers there.
        folder: the folder of an embedded server.
        master: the master that sentinels know.
    """

    url: str
    address: str
    hint: str = ""
    folder: Path | None = None
    master: SentinelPlace | None = None


@dataclass(frozen=True)
class MeantUrl:
    """The URL that is meant where none is given.

    Attributes:
        url: the URL.
        source: what names it, for people.
        hint: what to tell a person when nothing answers there.
    """

    url: str
    source: str
    hint: str = ""


def meant_url() -> MeantUrl:
    """The URL that is meant where none is given: that of the environment, else that of the project, else the default.

    Raises:
        ValueError: the project's ``pyproject.toml`` says something that can't be.
    """
    if named := os.environ.get(URL_VARIABLE):
        return MeantUrl(named, f"${URL_VARIABLE}")
    project = configuration()
    if project is None or project.url is None:
        return MeantUrl(DEFAULT_URL, "default", _HINT)
    source = f"[{TABLE_NAME}] in {project.path}"
    return MeantUrl(url_from(project.url, project.path.parent), source, f"It is named by {source}.")


def url_from(url: str, folder: Path) -> str:
    """The URL that means the same in every folder as this one does in another.

    Args:
        url: a URL, which may name a relative path: ``embedded:./data``, ``unix://./redis.sock``.
        folder: from where on that is read.
    """
    if is_embedded_url(url):
        return anchored(url, folder)
    if url.startswith(("unix://./", "unix://../")):
        return f"unix://{quote(str(folder))}/{url.removeprefix('unix://').removeprefix('./')}"
    return url


def _place_of(url: str | None) -> _Place:
    if url is not None:
        return _read(url)
    meant = meant_url()
    try:
        return _read(meant.url, meant.hint)
    except ValueError as error:
        raise ValueError(f"{meant.source}: {error}") from None


def _read(url: str, hint: str = "") -> _Place:
    if not isinstance(url, str):
        raise TypeError(f"a url is a str, not {type(url).__name__}")
    if is_embedded_url(url):
        folder = folder_of(url)
        return _Place(url, f"embedded:{folder}", folder=folder)
    if not url.startswith(_SCHEMES):
        raise ValueError(
            f"{display_url(url)!r} is no URL of a server: write redis://HOST:PORT, rediss://HOST:PORT, "
            f"unix:///PATH/TO/SOCKET, sentinel://HOST:PORT/SERVICE or embedded:FOLDER"
        )
    if is_sentinel_url(url):
        return _Place(url, display_url(url), master=_master_of(url))
    return _Place(url, display_url(url), hint=hint)


def _master_of(url: str) -> SentinelPlace:
    try:
        return read_sentinel_url(url)
    except ValueError as error:
        raise ValueError(f"{display_url(url)!r} is no URL of a server: {error}") from None


def _client_of(kind: Any, pool_kind: Any, sentinel_kind: Any, place: _Place, *, retry: object) -> Any:
    try:
        if place.master is not None:
            client = master_client(sentinel_kind, place.master, retry=retry)
        else:
            pool = pool_kind.from_url(place.url, retry=retry, **checks_of(place.url))
            client = kind.from_pool(pool)
        pool = client.connection_pool
        pool.connection_class(**pool.connection_kwargs)  # names in the URL's query that redis-py does not know
    except (TypeError, ValueError) as error:
        # What redis-py says of a URL may hold parts of a password that contains characters like "/" or "#".
        why = "" if "@" in place.url else f": {error}"
        raise ValueError(
            f"{place.address!r} is no URL of a server{why}; characters in a password that mean something in a URL are "
            "written as % and two digits"
        ) from None
    return client


_HINT = (
    f"Start Redis or Valkey there, or name another server with --url, url= or {URL_VARIABLE}; "
    f"embedded:./data needs none (pip install 'rqdeps[embedded]')."
)


def display_url(url: str) -> str:
    """A URL as it may be shown: without its password."""
    text = re.sub(r"^(\w+://|(?!\w+://))([^:@/]*):.*@", r"\1\2:***@", url, flags=re.DOTALL)
    text = re.sub(r"(%3a)[^@/]*@", r"\1***@", text, flags=re.IGNORECASE)  # a colon that was quoted with the rest
    return re.sub(r"([?&][^=&]*password=)[^&]*", r"\1***", text, flags=re.IGNORECASE)
