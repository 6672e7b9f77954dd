"""The supervisor's link to the server: one request at a time, and two connections that wait for what others say."""

from __future__ import annotations

import logging
import random
import re
import select
import selectors
import time
from collections.abc import Callable
from typing import Any, TypeVar

from redis.exceptions import RedisError, ResponseError

from rqdeps.store import Call, Store
from rqdeps.store.calls.inbox import Message
from rqdeps.store.wire import Wire, WireLostError
from rqdeps.worker.connecting import Connecting
from rqdeps.worker.options import WorkerOptions

T = TypeVar("T")

log = logging.getLogger("rqdeps.worker")

#: How long to wait for a marker, before looking at the queues all the same, or for a message, in seconds.
BLOCK_SECONDS = 2.0

#: How long a reply may take before the connection counts as lost, in seconds.
REPLY_SECONDS = 10.0

#: The longest pause between attempts to connect, in seconds.
_LONGEST_PAUSE = 2.0

#: Errors that are about the server's state, whatever it was asked: they pass, or a person sees to it. A script that
#: meets one says so somewhere in its own error.
_PASSING = re.compile(
    r"\b(BUSY|CLUSTERDOWN|LOADING|MASTERDOWN|MISCONF|NOAUTH|NOPERM|NOREPLICAS|OOM|READONLY|TRYAGAIN|WRONGPASS)\b"
    r"|^(ERR )?ACL failure in script|: The user executing the script can't "  # NOPERM, of a command in a script
)


def is_refusal(error: Exception) -> bool:
    """Whether an error is about what was asked: asking again makes no sense."""
    return isinstance(error, ResponseError) and _PASSING.search(str(error)) is None


class Link:
    """Connections for requests, for being woken and for messages, which are made again, all of them, when one breaks.

    Args:
        store: the deployment.
        options: the worker's name and the queues that it serves.
        selector: where the sockets are registered.
        on_lost: called when the connection breaks: a request may be left without a reply, and a marker lost. Its
            argument ``cut`` says whether it broke before all of a request was sent.
        on_refused: called before, when the connection is given up because the server refused the request.
        hear: called with messages to the worker. What they are about has been told before, in reply to a request.
    """

    def __init__(
        self,
        store: Store,
        options: WorkerOptions,
        selector: selectors.BaseSelector,
        on_lost: Callable[..., None],
        on_refused: Callable[[Exception], None],
        hear: Callable[[list[Message]], None],
    ) -> None:
        self._store = store
        self._options = options
        self._selector = selector
        self._on_lost = on_lost
        self._on_refused = on_refused
        self._hear = hear
        self._requests: Wire | None = None
        self._replies = select.poll()
        self._wakes: Wire | None = None
        self._inbox: Wire | None = None
        self._connecting: Connecting | None = None
        self._reply_to: Callable[[Any], None] | None = None
        self._asked_at = 0.0
        self._listening_since: float | None = None
        self._inbox_asked_at = 0.0
        self._messages: list[Message] = []
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
        except WireLostError:
            self._on_request_ready()  # which finds out what the server may have said before it closed the connection
            return
        self._watch_for_room()

    def wait_for_reply(self, seconds: float) -> None:
        """Waits until the reply to a request begins to arrive, for so many seconds at most."""
        if self._requests is not None and not self._requests.has_more_to_send:
            self._replies.poll(seconds * 1000)

    def _on_request_ready(self) -> None:
        if self._requests is None:  # lost while the same events were handled
            return
        try:
            results = self._receive(self._requests)
        except (WireLostError, RedisError) as error:
            self._lose(error, refused=self.awaits_reply and is_refusal(error))
            return
        for result in results:
            then, self._reply_to = self._reply_to, None
            if self._tries:
                log.warning("the server answers again")
                self._tries = 0
            if then is not None:
                then(result)
        self._pass_messages_on()

    def _receive(self, wire: Wire) -> list[Any]:
        had_more = wire.has_more_to_send
        try:
            wire.flush()
        except WireLostError:
            results = wire.receive()  # raises what the server may have said before it closed the connection
            if not results:
                raise
        else:
            results = wire.receive()
        if had_more:  # what is large may take long, as long as it goes on
            self._asked_at = time.monotonic()
        self._watch_for_room()
        return results

    def _watch_for_room(self) -> None:
        """Has the select loop tell when more of a request can be sent, as long as there is more."""
        assert self._requests is not None
        events = selectors.EVENT_READ | (selectors.EVENT_WRITE if self._requests.has_more_to_send else 0)
        if self._selector.get_key(self._requests).events != events:
            self._selector.modify(self._requests, events, self._on_request_ready)

    def _received(self, wire: Wire) -> list[Any]:
        """What has arrived on a connection that blocks; nothing where it broke."""
        try:
            return wire.receive()
        except (WireLostError, RedisError) as error:
            self._lose(error)
            return []

    # Being woken

    def listen(self, on_wake: Callable[[bool], None]) -> None:
        """Waits to be woken, unless it does so already; ``on_wake`` is told whether a marker was taken."""
        if self._wakes is None or self._listening_since is not None:
            return
        self._on_wake = on_wake
        try:
            self._wakes.block_on_wake(self._options.queues, BLOCK_SECONDS)
            self._listening_since = time.monotonic()
        except WireLostError as error:
            self._lose(error)

    def _on_wake_ready(self) -> None:
        if self._wakes is None:  # lost while the same events were handled
            return
        for marked in self._received(self._wakes):
            self._listening_since = None
            self._on_wake(marked)

    # Messages

    def _await_message(self) -> None:
        assert self._inbox is not None
        self._inbox_asked_at = time.monotonic()
        try:
            self._inbox.block_on_inbox(self._options.name, BLOCK_SECONDS)
        except WireLostError as error:
            self._lose(error)

    def _on_inbox_ready(self) -> None:
        if self._inbox is None:  # lost while the same events were handled
            return
        for messages in self._received(self._inbox):
            self._messages += messages
            self._await_message()
        self._pass_messages_on()

    def _pass_messages_on(self) -> None:
        if self._messages and not self.awaits_reply:  # which may tell of the claim that a message is about
            messages, self._messages = self._messages, []
            self._hear(messages)

    # Connecting

    @property
    def is_connecting(self) -> bool:
        """Whether connections are being made, in a thread: no process may be forked meanwhile."""
        return self._connecting is not None

    def connect(self) -> None:
        """Begins to connect, if it is time to try; the select loop goes on meanwhile.

        After a failure the next try comes after a pause, at ``retry_at``.
        """
        if self.retry_at is None or time.monotonic() < self.retry_at:
            return
        self.retry_at = None
        wires = (Wire(self._store), Wire(self._store), Wire(self._store))
        try:
            self._connecting = Connecting(wires, self._selector, lambda error: self._on_connected(wires, error))
        except (OSError, RuntimeError) as error:  # neither a descriptor nor a thread is to be had
            self._note_failure(error)

    def _on_connected(self, wires: tuple[Wire, Wire, Wire], error: BaseException | None) -> None:
        self._connecting = None
        if isinstance(error, Exception):
            self._note_failure(error)
            return
        if error is not None:
            raise error
        self._requests, self._wakes, self._inbox = wires
        self._selector.register(self._requests, selectors.EVENT_READ, self._on_request_ready)
        self._replies.register(self._requests, select.POLLIN)
        self._selector.register(self._wakes, selectors.EVENT_READ, self._on_wake_ready)
        self._selector.register(self._inbox, selectors.EVENT_READ, self._on_inbox_ready)
        self._await_message()

    def check(self) -> None:
        """Gives up on a reply that has not come for long."""
        now = time.monotonic()
        waits = self._reply_to is not None and now - self._asked_at > REPLY_SECONDS
        listens = self._listening_since is not None and now - self._listening_since > BLOCK_SECONDS + REPLY_SECONDS
        hears = self._inbox is not None and now - self._inbox_asked_at > BLOCK_SECONDS + REPLY_SECONDS
        if waits or listens or hears:
            self._lose(WireLostError(f"no reply for {REPLY_SECONDS:g} s"))

    def _lose(self, error: Exception, *, refused: bool = False) -> None:
        cut = self._requests is not None and self._requests.has_more_to_send
        self.close()
        self._note_failure(error)
        if refused:
            self._on_refused(error)
        self._on_lost(cut=cut)
        self._pass_messages_on()

    def _note_failure(self, error: Exception) -> None:
        if not self._tries:
            refused = isinstance(error, ResponseError)
            what = f"the server refused: {error}" if refused else self._store.unavailable(error)
            log.warning("%s; trying again", str(what).partition("\n")[0])
        self._tries += 1
        pause = min(_LONGEST_PAUSE, 0.05 * 2**self._tries) * (0.5 + random.random() / 2)  # noqa: S311
        self.retry_at = time.monotonic() + pause

    def close(self) -> None:
        """Closes the connections, also those that are just being made."""
        if self._connecting is not None:
            self._connecting.give_up()
            self._connecting = None
        if self._requests is not None:
            self._replies.unregister(self._requests)
        for wire in self._wires():
            # First, and in this order: a socket that another process has too stays in the loop when it is closed.
            self._selector.unregister(wire)
            wire.close()
        self._requests = self._wakes = self._inbox = self._reply_to = None
        self._listening_since = None

    def let_go(self) -> None:
        """Closes the copies of the connections that a fork made."""
        for wire in self._wires():
            wire.let_go()

    def _wires(self) -> list[Wire]:
        return [wire for wire in (self._requests, self._wakes, self._inbox) if wire is not None]
