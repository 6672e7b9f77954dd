"""Serializers of a user's own: the protocol, and how what they write is carried.

After the first byte, ``c``, comes a line that tells in JSON which arguments are outputs of other jobs, by position or
name; it is empty if none are. What the serializer has written follows.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Set
from functools import cached_property
from typing import Any, Final, Protocol

from rqdeps import serializers
from rqdeps.dependency import REQUIRED, Output, note_output
from rqdeps.errors import JobTimeoutError, SerializationError
from rqdeps.imports import find_object
from rqdeps.refusals import is_job, why_not
from rqdeps.secret import HiddenSecret, SecretValue

#: How many parts an output has in the line that tells of them: where, which job; and a third if it has a default.
_PARTS: Final = (2, 3)


class Serializer(Protocol):
    """A serializer of your own: two methods that turn values into bytes and back.

    For example, with MessagePack::

        import msgpack

        class MsgPack:
            def dumps(self, value):
                return msgpack.packb(value)

            def loads(self, data):
                return msgpack.unpackb(data, strict_map_key=False)

        q = Queue(serializer=MsgPack())        # or serializer="myapp.serializing:MsgPack"
        Worker(q, serializer=MsgPack())        # or rqdeps worker --serializer myapp.serializing:MsgPack

    Every process that enqueues, runs or reads such jobs must be given it, as ``serializer=``, with ``--serializer`` or
    by ``RQDEPS_SERIALIZER``; a dotted path may name an instance, a module with the two functions, or a class that is
    made without arguments. Outputs of other jobs can only be whole arguments, by position or by name: nobody can look
    into what it writes. ``meta`` of jobs is always JSON.
    """

    def dumps(self, value: Any, /) -> bytes:
        """Write a value as bytes.

        Args:
            value: what a job returned; or the arguments of a call, as a list of two: a list of those by position, and
                a dict of those by name.

        Raises:
            Exception: the value can't be carried. ``enqueue`` raises a ``SerializationError`` with these words; if it
                was a result, its job fails without another attempt.
        """
        ...

    def loads(self, data: bytes, /) -> Any:
        """Read what ``dumps`` wrote: an equal value.

        Args:
            data: the bytes.

        Raises:
            Exception: the bytes can't be read. The job fails without another attempt.
        """
        ...


class CustomFormat:
    """What a serializer of a user's own writes.

    Args:
        serializer: the serializer, or its dotted path, ``module:attribute`` or ``module.attribute``, which is followed
            when it is first used.

    Raises:
        TypeError: it has no ``dumps`` and ``loads``.
        ValueError: a text that is no dotted path.
    """

    mark: Final = b"c"

    def __init__(self, serializer: Serializer | str) -> None:
        self._given = serializer
        if isinstance(serializer, str):
            path = serializer.replace(":", ".", 1)
            if "." not in path or not all(map(str.isidentifier, path.split("."))):
                raise ValueError(
                    f"there is no serializer {serializer!r}: it is 'json', 'pickle', or the dotted path of one of your "
                    "own, such as 'myapp.serializing:MsgPack'"
                )
            self.name = serializer
        else:
            _check(serializer, f"{serializer!r}")
            self.name = f"{type(serializer).__module__}.{type(serializer).__qualname__}"

    @cached_property
    def serializer(self) -> Serializer:
        """The serializer itself.

        Raises:
            SerializationError: nothing can be imported by its path.
            TypeError: what is there has no ``dumps`` and ``loads``.
        """
        if not isinstance(self._given, str):
            return self._given
        found = find_object(self._given.replace(":", ".", 1), SerializationError)
        found = found() if isinstance(found, type) else found
        _check(found, self._given)
        serializer: Serializer = found
        return serializer

    def encode_call(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[bytes, list[Output]]:
        """Write the arguments of a call.

        Raises:
            SerializationError: the serializer does not carry one of them, or an output is not a whole argument.
        """
        places: list[list[Any]] = []
        outputs: dict[str, Output] = {}
        named = {**{f"argument {number}": value for number, value in enumerate(args, 1)}}
        named |= {f"keyword argument {name!r}": value for name, value in kwargs.items()}
        for place, (where, value) in zip([*range(len(args)), *kwargs], named.items(), strict=True):
            if type(value) is Output:
                _refuse_inside(value.default, f"the default of {where}")
                places.append([place, value.job_id] if value.is_required else [place, value.job_id, 1])
                note_output(outputs, value)
            else:
                _refuse_inside(value, where)
        call = [[_held(value) for value in args], {name: _held(value) for name, value in kwargs.items()}]
        return self._written(call, "the arguments", places), list(outputs.values())

    def encode(self, value: Any, where: str) -> tuple[bytes, list[Output]]:
        """Write what a job has returned. A list of nothing but outputs, such as a map returns, is written as JSON.

        Raises:
            SerializationError: the serializer does not carry it, or it holds outputs among other things.
        """
        if type(value) is Output or (type(value) is list and value and all(type(item) is Output for item in value)):
            return serializers.encode(value, where)
        _refuse_inside(value, where)
        return self._written(value, where, []), []

    def loads(
        self,
        data: bytes,
        *,
        output: Callable[[Output], Any] | None = None,
        classes: Callable[[str], type] | None = None,
    ) -> Any:
        """Read what one of these wrote.

        Args:
            data: the bytes.
            output: gives the value for an ``Output``. What it raises is passed on as it is.
            classes: not asked: what the serializer imports is its own business.

        Raises:
            SerializationError: the bytes were damaged, or the serializer does not read them.
        """
        places, written = _taken_apart(data)
        serializer = self.serializer
        try:
            value = serializer.loads(written)
        except JobTimeoutError:
            raise
        except Exception as error:
            raise SerializationError(
                f"the serializer {self.name} can't read these bytes: {type(error).__name__}: {error}"
            ) from error
        for place, job_id, *has_default in places:
            try:
                holder = value[0] if isinstance(place, int) else value[1]
                default = holder[place]
                held = Output(job_id, default if has_default else REQUIRED)
                holder[place] = held
            except (TypeError, LookupError) as error:
                raise SerializationError(f"these bytes were damaged: they hold no argument {place!r}") from error
            if output is not None:
                holder[place] = output(held)
        return value

    def outputs_in(self, data: bytes) -> list[Output]:
        """There are none in results, which are all that is asked for."""
        return []

    def _written(self, value: Any, where: str, places: list[list[Any]]) -> bytes:
        serializer = self.serializer
        try:
            written = serializer.dumps(value)
        except JobTimeoutError:
            raise
        except Exception as error:
            raise SerializationError(
                f"the serializer {self.name} can't carry {where}: {type(error).__name__}: {error}"
            ) from error
        if not isinstance(written, bytes):
            raise SerializationError(
                f"the serializer {self.name} made {type(written).__name__} of {where}: its dumps must return bytes"
            )
        line = json.dumps(places, separators=(",", ":")) if places else ""
        return b"%b%b\n%b" % (self.mark, line.encode(), written)


def _check(serializer: object, name: str) -> None:
    for method in ("dumps", "loads"):
        if not callable(getattr(serializer, method, None)):
            raise TypeError(f"{name} is no serializer: it has no method {method}; see rqdeps.Serializer")


def _held(value: Any) -> Any:
    """What stands in place of an argument that is an output: its default, which takes the same way."""
    if type(value) is not Output:
        return value
    return None if value.is_required else value.default


def _refuse_inside(value: Any, where: str) -> None:
    """Refuses a value with an output, or a job, anywhere inside, as far as plain containers go."""
    stack, seen = [value], set()
    while stack:
        found = stack.pop()
        if type(found) is Output:
            raise SerializationError(
                f"{where} holds the output of job {found.job_id!r} among other things, where a serializer of your own "
                "can't carry it: pass the output as an argument of its own"
            )
        if isinstance(found, (SecretValue, HiddenSecret)):
            raise SerializationError(f"{where} is or holds a Secret, which is carried by JSON only, encrypted")
        if is_job(type(found)):
            raise SerializationError(f"{where} {why_not(found)}")
        if isinstance(found, (list, tuple, Set, Mapping)) and id(found) not in seen:
            seen.add(id(found))
            stack += found
            if isinstance(found, Mapping):
                stack += found.values()


def _taken_apart(data: bytes) -> tuple[list[list[Any]], bytes]:
    """Where outputs stand, and what the serializer wrote."""
    line, end, written = data[1:].partition(b"\n")
    if not end:
        raise SerializationError("these bytes were cut off")
    try:
        places = json.loads(line) if line else []
    except (ValueError, RecursionError) as error:
        raise SerializationError(f"these bytes were damaged: {error}") from error
    if not isinstance(places, list) or not all(map(_is_place, places)):
        raise SerializationError("these bytes were damaged: they don't tell which arguments are outputs")
    return places, written


def _is_place(parts: Any) -> bool:
    if not isinstance(parts, list) or len(parts) not in _PARTS:
        return False
    return (type(parts[0]) is str or (type(parts[0]) is int and parts[0] >= 0)) and type(parts[1]) is str
