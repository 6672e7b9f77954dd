"""How a process writes and reads what goes to jobs and comes back: by which serializer, how large, with which classes.

One value holds all of that and is handed down whole. The first byte of what is written says by which serializer. JSON
is always read; anything else only by a process that was told to use it, since reading it may run code.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Final

from rqdeps.classes import resolve_class
from rqdeps.custom import CustomFormat, Serializer
from rqdeps.dependency import Output
from rqdeps.environment import Variable
from rqdeps.errors import SerializationError
from rqdeps.formats import JSON, Format
from rqdeps.pickling import PickleFormat
from rqdeps.serializers import call_in
from rqdeps.sizes import format_bytes, to_bytes

#: The environment variable that names the serializer where the program doesn't.
SERIALIZER_VARIABLE: Final = "RQDEPS_SERIALIZER"

#: The environment variable for the largest payload and result where the program says nothing.
MAX_PAYLOAD_VARIABLE: Final = "RQDEPS_MAX_PAYLOAD"

_serializer: Final = Variable(SERIALIZER_VARIABLE)
_max_payload: Final = Variable(MAX_PAYLOAD_VARIABLE)

#: How large payloads and results may be unless somebody says otherwise, in bytes.
DEFAULT_MAX_PAYLOAD: Final = 16 * 1024 * 1024

#: The most that may be allowed, in bytes: what a server takes in one piece, unless it is set up otherwise.
LARGEST_MAX_PAYLOAD: Final = 512 * 1024 * 1024

#: Raises if what a path leads to may not be used; is called with ``None`` first, before anything is imported.
Allowed = Callable[[str, object], None]

#: A serializer, or the name of one.
SerializerChoice = Serializer | str


@dataclass(frozen=True, eq=False)
class Codec:
    """How values are written and read.

    Attributes:
        writes: the format in which they are written.
        reads: the format that is read besides JSON.
        classes: gives the classes that JSON names; without it, their values come back as ``Unbuilt``.
        allowed: in a worker: raises if something may not be imported or run; without it, everything may.
        max_payload: how many bytes a payload or result may have.
    """

    writes: Format = JSON
    reads: Format = JSON
    classes: Callable[[str], type] | None = None
    allowed: Allowed | None = None
    max_payload: int = DEFAULT_MAX_PAYLOAD

    @classmethod
    def of_environment(cls) -> Codec:
        """What the environment says, and the defaults where it says nothing.

        Raises:
            ValueError: it says something that can't be.
        """
        serializer, size = _serializer.get(), _max_payload.get()
        if not serializer and not size:
            return _DEFAULT
        return _DEFAULT.changed(serializer or None, size or None, size_name=MAX_PAYLOAD_VARIABLE)

    def changed(
        self,
        serializer: SerializerChoice | None = None,
        max_payload: int | str | None = None,
        *,
        size_name: str = "max_payload",
    ) -> Codec:
        """The same with another serializer or limit, where one is given.

        Args:
            serializer: ``"json"``, ``"pickle"``, a ``Serializer``, or the dotted path of one.
            max_payload: how many bytes a payload or result may have, as a number or a text such as ``"32M"``.
            size_name: what errors call that.

        Raises:
            TypeError: something of the wrong kind.
            ValueError: there is no such serializer, or a size can't be.
        """
        codec = self
        if serializer is not None:
            chosen = _format_of(serializer)
            codec = replace(codec, writes=chosen, reads=chosen)
        if max_payload is not None:
            codec = replace(codec, max_payload=to_bytes(max_payload, size_name, most=LARGEST_MAX_PAYLOAD))
        return codec

    def for_worker(self, allowed: Allowed | None = None) -> Codec:
        """The same for workers, which import functions, and the classes that JSON names.

        Args:
            allowed: raises if something may not be imported or run; see ``resolve`` and ``resolve_class``.
        """
        return replace(self, classes=partial(resolve_class, allowed=allowed), allowed=allowed)

    def passing_on(self) -> Codec:
        """The same for what is only passed on: classes are not imported, and secrets not opened."""
        return replace(self, classes=None)

    def like(self, data: bytes) -> Codec:
        """The same for a job: its result, and what it enqueues, are written as its own payload was."""
        writes = self.reads if data[:1] == self.reads.mark else JSON
        return self if writes is self.writes else replace(self, writes=writes)

    def load(self) -> None:
        """Makes sure that a serializer named by its path can be used, which is otherwise looked for when it is needed.

        Raises:
            SerializationError: there is none by this path.
            TypeError: what is there is no serializer.
        """
        if isinstance(self.reads, CustomFormat):
            _ = self.reads.serializer

    # Writing

    def encode_call(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[bytes, list[Output]]:
        """Write the arguments of a call.

        Args:
            args: the positional arguments.
            kwargs: the keyword arguments.

        Returns:
            The payload, and the outputs found inside: one for each job, a required one if there is any.

        Raises:
            SerializationError: one of them can't be carried, or they are too large.
        """
        data, outputs = self.writes.encode_call(args, kwargs)
        if len(data) > self.max_payload:
            raise self._too_large("the arguments are", len(data), "pass")
        return data, outputs

    def encode_result(self, value: Any) -> tuple[bytes, list[Output]]:
        """Write what a job has returned.

        Returns:
            The bytes, and the outputs found inside, as those of a call.

        Raises:
            SerializationError: it can't be carried, or is too large.
        """
        data, outputs = self.writes.encode(value, "result")
        if len(data) > self.max_payload:
            raise self._too_large("the result is", len(data), "return")
        return data, outputs

    def encode_output(self, value: Any) -> bytes:
        """Write what shall stand for the result of a job that is not run. Raises what ``encode_result`` raises."""
        data, outputs = self.writes.encode(value, "output")
        if outputs:
            raise SerializationError(
                f"output holds the output of job {outputs[0].job_id!r}, which only arguments of a job can: nobody "
                "would replace it"
            )
        if len(data) > self.max_payload:
            raise self._too_large("the output is", len(data), "give")
        return data

    def _too_large(self, what: str, size: int, verb: str) -> SerializationError:
        return SerializationError(
            f"{what} {format_bytes(size)} large ({size:,} bytes), and {format_bytes(self.max_payload)} at most are "
            f"allowed: keep it elsewhere, and {verb} where; or allow more with {MAX_PAYLOAD_VARIABLE}"
        )

    # Reading

    def decode_call(self, payload: bytes, output: Callable[[Output], Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Read the arguments of a call.

        Args:
            payload: what ``encode_call`` wrote.
            output: gives the value for an ``Output``. What it raises is passed on as it is.

        Returns:
            The positional and the keyword arguments.

        Raises:
            SerializationError: they can't be read, or this process was not told to read such bytes.
        """
        return call_in(self._format_of(payload).loads(payload, output=output, classes=self.classes))

    def loads(self, data: bytes, output: Callable[[Output], Any] | None = None) -> Any:
        """Read a value, such as a result. Takes and raises what ``decode_call`` does."""
        return self._format_of(data).loads(data, output=output, classes=self.classes)

    def outputs_in(self, data: bytes) -> list[Output]:
        """The outputs that a value holds, in their order. Raises what ``loads`` raises."""
        return self._format_of(data).outputs_in(data)

    def _format_of(self, data: bytes) -> Format:
        mark = data[:1]
        if mark == self.reads.mark:
            return self.reads
        if mark in _UNREAD:
            raise SerializationError(_UNREAD[mark])
        return JSON  # which says what is wrong, if this is none


_DEFAULT: Final = Codec()

#: What to say of bytes that this process was not told to read.
_UNREAD: Final[Mapping[bytes, str]] = {
    PickleFormat.mark: (
        "these bytes are a pickle, which this process was not told to read, as that can run any code: if nobody can "
        "write to the server who should not, choose it with serializer='pickle' for the queue or worker, "
        f"rqdeps worker --serializer pickle, or {SERIALIZER_VARIABLE}=pickle"
    ),
    CustomFormat.mark: (
        "these bytes were written by a serializer of somebody's own, which this process was not told of: name it with "
        "serializer= for the queue or worker, rqdeps worker --serializer MODULE:NAME, or "
        f"{SERIALIZER_VARIABLE}=MODULE:NAME"
    ),
}


def _format_of(serializer: SerializerChoice) -> Format:
    if serializer == JSON.name:
        return JSON
    return PickleFormat() if serializer == PickleFormat.name else CustomFormat(serializer)
