"""Programs under test, which were made for a server, and go to another for the time of a test."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import ExitStack

from redis import Redis

from rqdeps.queue import Queue
from rqdeps.store import Store
from rqdeps.store.connection import StandIn, stand_ins

#: What programs under test use to find a server: a queue, a client, a URL, or nothing.
Place = Queue | Redis | str | None


def take_over(places: Iterable[Place], store: Store, stand_in: StandIn, undo: ExitStack) -> None:
    """Has programs go to another server.

    Args:
        places: queues and clients that were made already; URLs, for what is made by them from now on; ``None`` for what
            is made without a connection or URL.
        store: the server, for those queues and clients.
        stand_in: the server, for what is made from now on.
        undo: what undoes it.
    """
    for place in places:
        if isinstance(place, Queue):
            undo.callback(setattr, place, "_store", place.store)
            place._store = store.with_codec(place.codec)
        elif isinstance(place, Redis):
            undo.callback(setattr, place, "connection_pool", place.connection_pool)
            place.connection_pool = store.pool
        else:
            undo.callback(_put_back, place, stand_ins.get(place))
            stand_ins[place] = stand_in


def _put_back(place: str | None, before: StandIn | None) -> None:
    if before is None:
        stand_ins.pop(place, None)
    else:
        stand_ins[place] = before
