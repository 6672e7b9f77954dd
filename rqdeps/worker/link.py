"""The supervisor's link to the server: one request at a time, and a second connection that waits to be woken."""

from __future__ import annotations

import logging
import random
import selectors
import time
from collections.abc import Callable
from typing import Any, TypeVar

from redis.exceptions import RedisError, ResponseError

from rqdeps.store import Call, Store
from rqdeps.store.wire import Wire, WireLostError

T = TypeVar("T")

log = logging.getLogger("rqdeps.worker")

#: How long to wait for a marker before looking at the queues all the same, in seconds.
BLOCK_SECONDS = 2.0

#: How long a reply may take before the connection counts as lost, in seconds.
REPLY_SECONDS = 10.0

#: The longest pause between attempts to connect, in seconds.
_LONGEST_PAUSE = 2.0


class Link:
    """Two connections, which are made again when they break.

    Args:
        store: the deployment.
        queues: the queues that are served.
        selector: where the sockets are registered.
        on_lost: called when the connection breaks: a request may be left without a reply, and a marker lost.
    """

    def __init__(
        self, store: Store, queues: list[str], selector: selectors.BaseSelector, on_lost: Callable[[], None]
    ) -> None:
        self._store = store
        self._queues = queues
        self._selector = selector
        self._on_lost = on_lost
        self._requests: Wire | None = None
        self._wakes: Wire | None = None
        self._reply_to: Callable[[Any], None] | None = None
        self._asked_at = 0.0
        self._listening_since: float | None = None
        self._tries = 0
        self.retry_at: float | None = 0.0

    # Requests

    @property
    def is_up(self) -> bool:
        """Whether there is a connection."""
        return self._requests is not None

    @property
    def is_free(self) -> bool:
        """Whether a request can be sent now."""
        return self._requests is not None and self._reply_to is None

    @property
    def awaits_reply(self) -> bool:
        """Whether a request is under way."""
        return self._reply_to is not None

    def request(self, call: Call[T], then: Callable[[T], None]) -> None:
        """Sends a call; ``then`` gets its result. Only when ``is_free``."""
        assert self._requests is not None
        self._reply_to = then
        self._asked_at = time.monotonic()
        try:
            self._requests.send(call)
        except WireLostError as error:
            self._lose(error)

    def _on_reply(self) -> None:
        if self._requests is None:  # lost while the same events were handled
            return
        then = self._reply_to
        if then is None:  # nothing was asked: the server closed the connection
            self._lose(WireLostError("the server closed the connection"))
            return
        try:
            result = self._requests.receive()
        except (WireLostError, RedisError) as error:
            self._lose(error)
            return
        self._reply_to = None
        if self._tries:
            log.warning("the server answers again")
            self._tries = 0
        then(result)

    # Being woken

    def listen(self, on_wake: Callable[[bool], None]) -> None:
        """Waits to be woken, unless it does so already; ``on_wake`` is told whether a marker was taken."""
        if self._wakes is None or self._listening_since is not None:
            return
        self._on_wake = on_wake
        try:
            self._wakes.block_on_wake(self._queues, BLOCK_SECONDS)
            self._listening_since = time.monotonic()
        except WireLostError as error:
            self._lose(error)

    def _on_woken(self) -> None:
        if self._wakes is None:  # lost while the same events were handled
            return
        if self._listening_since is None:
            self._lose(WireLostError("the server closed the connection"))
            return
        try:
            marked = self._wakes.woken()
        except (WireLostError, RedisError) as error:
            self._lose(error)
            return
        self._listening_since = None
        self._on_wake(marked)

    # Connecting

    def connect(self) -> None:
        """Connects, if it is time to try.

        After a failure the next try comes after a pause, at ``retry_at``.
        """
        if self.is_up or self.retry_at is None or time.monotonic() < self.retry_at:
            return
        requests, wakes = Wire(self._store), Wire(self._store)
        try:
            requests.connect()
            wakes.connect()
        except (WireLostError, RedisError) as error:
            requests.close()
            wakes.close()
            self._note_failure(error)
            return
        self._requests, self._wakes = requests, wakes
        self._selector.register(requests.fileno(), selectors.EVENT_READ, self._on_reply)
        self._selector.register(wakes.fileno(), selectors.EVENT_READ, self._on_woken)
        self.retry_at = None

    def check(self) -> None:
        """Gives up on a reply that has not come for long."""
        now = time.monotonic()
        waits = self._reply_to is not None and now - self._asked_at > REPLY_SECONDS
        listens = self._listening_since is not None and now - self._listening_since > BLOCK_SECONDS + REPLY_SECONDS
        if waits or listens:
            self._lose(WireLostError(f"no reply for {REPLY_SECONDS:g} s"))

    def _lose(self, error: Exception) -> None:
        self.close()
        self._note_failure(error)
        self._on_lost()

    def _note_failure(self, error: Exception) -> None:
        if not self._tries:
            refused = isinstance(error, ResponseError)
            what = f"the server refused: {error}" if refused else self._store.unavailable(error)
            log.warning("%s; trying again", str(what).partition("\n")[0])
        self._tries += 1
        pause = min(_LONGEST_PAUSE, 0.05 * 2**self._tries) * (0.5 + random.random() / 2)  # noqa: S311
        self.retry_at = time.monotonic() + pause

    def close(self) -> None:
        """Closes both connections."""
        for wire in (self._requests, self._wakes):
            if wire is not None:
                self._unregister(wire)
                wire.close()
        self._requests = self._wakes = self._reply_to = None
        self._listening_since = None

    def _unregister(self, wire: Wire) -> None:
        for key in list(self._selector.get_map().values()):
            if key.data in (self._on_reply, self._on_woken):
                self._selector.unregister(key.fd)
