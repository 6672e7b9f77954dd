"""Programs under test, which were made for a server, and go to another for the time of a test."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import ExitStack
from weakref import WeakSet

import redis.asyncio
from redis import Redis

from rqdeps.queue import Queue
from rqdeps.store import RegisteredQueues, Store, connect
from rqdeps.store.connection import StandIn, stand_ins

#: What programs under test use to find a server: a queue, a client, a URL, or nothing.
Place = Queue | Redis | str | None

#: The clients that programs have got for a URL in tests: whoever keeps one goes on to the next test with it.
_clients: dict[str | None, WeakSet[Redis]] = {}


def take_over(
    places: Iterable[Place], store: Store, async_client: Callable[[], redis.asyncio.Redis], undo: ExitStack
) -> None:
    """Has programs go to another server.

    Args:
        places: queues and clients that were made already; URLs, for what is made by them from now on; ``None`` for what
            is made without a connection or URL.
        store: the server.
        async_client: makes clients of it for asyncio.
        undo: what undoes it.

    Raises:
        ValueError: a URL is none.
    """
    RegisteredQueues.forget_all()
    undo.callback(RegisteredQueues.forget_all)
    for place in places:
        if isinstance(place, Queue):
            undo.callback(setattr, place, "_store", place.store)
            place._store = store.with_codec(place.codec)
        elif isinstance(place, Redis):
            undo.callback(_redirect, [place], place.connection_pool)
            _redirect([place], store.pool)
        else:
            _take_over_url(place, store, async_client, undo)


def _take_over_url(
    url: str | None, store: Store, async_client: Callable[[], redis.asyncio.Redis], undo: ExitStack
) -> None:
    clients = _clients.setdefault(url, WeakSet())

    def client() -> Redis:
        made = Redis(connection_pool=store.pool)
        clients.add(made)
        return made

    undo.callback(_redirect, clients, connect(url).pool)
    undo.callback(_put_back, url, stand_ins.get(url))
    _redirect(clients, store.pool)
    stand_ins[url] = StandIn(client, async_client)


def _redirect(clients: Iterable[Redis], pool: redis.ConnectionPool) -> None:
    for client in clients:
        client.connection_pool = pool


def _put_back(url: str | None, before: StandIn | None) -> None:
    if before is None:
        stand_ins.pop(url, None)
    else:
        stand_ins[url] = before
