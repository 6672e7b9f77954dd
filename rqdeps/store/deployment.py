"""What a process knows of a deployment, whichever way it talks to it: keys, layout, queues, words for people."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Set
from copy import copy
from typing import TYPE_CHECKING, Any, ClassVar

from rqdeps.codec import Codec, SerializerChoice
from rqdeps.errors import ConnectionUnavailableError, SchemaVersionError
from rqdeps.store.calls.call import Call
from rqdeps.store.keys import Keys
from rqdeps.store.sentinel import asks_sentinels, is_without_master, sentinel_address
from rqdeps.store.states import state_in_words
from rqdeps.store.tls import way_out_of

if TYPE_CHECKING:
    from typing_extensions import Self

#: The version of the layout of the data that this release reads and writes.
SCHEMA_VERSION = 1

#: How long the names of queues count as registered, at most, before they are registered again, in seconds.
REGISTERED_FOR = 60.0

#: What servers say to whoever did not log in.
_NAMED_NOBODY = ("HELLO must be called with the client already authenticated", "Authentication required")


class RegisteredQueues:
    """The names of queues that this process has lately registered at the server."""

    #: How often all names have been forgotten.
    _times_forgotten: ClassVar[int] = 0

    def __init__(self) -> None:
        self._names: set[str] = set()
        self._until = 0.0
        self._lock = threading.Lock()
        self._since = self._times_forgotten

    @classmethod
    def forget_all(cls) -> None:
        """Forgets all names, of whatever server: others may answer in their place now, which is so in tests."""
        cls._times_forgotten += 1

    def new_among(self, names: Set[str]) -> list[str]:
        """Those of the names that the server may not know."""
        now = time.monotonic()
        if self._until < now or self._since != self._times_forgotten:
            with self._lock:
                self._names, self._until, self._since = set(), now + REGISTERED_FOR, self._times_forgotten
        return sorted(names - self._names)

    def remember(self, names: Iterable[str]) -> None:
        """Notes that names have been registered."""
        with self._lock:
            self._names.update(names)


class Deployment:
    """The data of one deployment.

    Args:
        keys: the names of its keys.
        address: where the server is, for people.
        hint: what to tell a person when nothing answers.
    """

    def __init__(self, keys: Keys | None = None, *, address: str = "", hint: str = "") -> None:
        self.keys = keys or Keys()
        self.address = address
        self.hint = hint
        self.registered = RegisteredQueues()
        #: How values are written and read.
        self.codec = Codec.of_environment()
        #: Whether the server is found by asking sentinels, so that another may take its place.
        self.asks_sentinels = False
        #: Whether calls are sent once only: there is no time for more.
        self.is_hasty = False
        #: Whether a call found that the data has the layout that this release knows.
        self.schema_is_known = False

    def with_codec(self, codec: Codec) -> Self:
        """The same deployment, through the same connections, with values written and read in this way."""
        if codec is self.codec:
            return self
        changed = copy(self)
        changed.codec = codec
        return changed

    def with_serializer(self, serializer: SerializerChoice | None) -> Self:
        """The same deployment with another serializer, if one is given.

        Raises:
            TypeError: it is none.
            ValueError: there is none by this name.
        """
        return self.with_codec(self.codec.changed(serializer))

    def schema_check(self, *, writing: bool) -> Call[None]:
        """The call to make before any other, until the schema is known.

        Args:
            writing: whether the data, if there is none, gets the layout of this release.

        Raises:
            SchemaVersionError: the layout is another.
        """
        return Call("schema", [int(writing), SCHEMA_VERSION], self._read_schema)

    def _read_schema(self, version: bytes | None) -> None:
        if version is None:  # there is no data, and nobody wanted to write any
            return
        if version != str(SCHEMA_VERSION).encode():
            found = version.decode(errors="replace")
            raise SchemaVersionError(
                f"the data on the server has layout {found}, and this rqdeps knows layout {SCHEMA_VERSION}: "
                f"install the release that wrote the data, or use another server, database or namespace"
            )
        self.schema_is_known = True

    def unavailable(self, error: Exception) -> ConnectionUnavailableError:
        """The error for people when the server does not answer."""
        state = state_in_words(error)
        if state is not None:
            return ConnectionUnavailableError(f"the server{self._at} can't do this now: {state}")
        if is_without_master(error):  # whose text says more of redis-py's clients than of what is wrong
            error = ConnectionError("no sentinel answers that knows a master by this name, and sees it alive")
        message = f"no answer from the server{self._at}: {error}"
        hint = way_out_of(error, self.address) or self.hint
        return ConnectionUnavailableError(f"{message}\n{hint}" if hint else message)

    def refusing(self, error: Exception) -> ConnectionUnavailableError:
        """The error for people when the server does not let this client in."""
        named_nobody = any(text in str(error) for text in _NAMED_NOBODY)
        why = "name a user and a password in the URL, as in redis://USER:PASSWORD@HOST:PORT" if named_nobody else error
        return ConnectionUnavailableError(f"the server{self._at} refuses this client: {why}")

    @property
    def _at(self) -> str:
        return f" at {self.address}" if self.address else ""


def check_options(client: Any) -> None:
    """Makes sure that a client is one that calls can be made with.

    Raises:
        ValueError: it decodes responses.
    """
    if client.connection_pool.connection_kwargs.get("decode_responses"):
        raise ValueError(
            "rqdeps stores bytes, and this connection decodes all responses as text: "
            "make it without decode_responses=True"
        )


def address_of(client: Any) -> str:
    """Where a client's server is, for people; nothing if that is not known."""
    if asks_sentinels(client):
        return sentinel_address(client)
    facts = client.connection_pool.connection_kwargs
    if path := facts.get("path"):
        return f"unix://{path}"
    return f"redis://{facts['host']}:{facts.get('port', 6379)}" if facts.get("host") else ""
