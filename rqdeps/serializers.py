"""Values as bytes and back, in JSON extended by tags (see ``rqdeps.tags``): what went in comes back, or is refused.

The first byte, ``j``, tells it from what other serializers write (see ``rqdeps.codec``). Compact JSON in UTF-8 follows.
The arguments of a call are a list: ``j[]``, ``j[[1,2]]``, or ``j[[1,2],{"name":3}]``.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection
from typing import Any, Final, NoReturn

from rqdeps.dependency import Output
from rqdeps.errors import SerializationError
from rqdeps.tags import MAX_DEPTH, PLAIN, STR, TAG, OutputError, Writer, object_of, reader_of

#: What RQ's programs import, to be given as ``serializer=``.
JSONSerializer: Final = "json"
PickleSerializer: Final = "pickle"

_JSON: Final = b"j"

#: What a value of ``None`` and a call without arguments are written as.
_NONE: Final = b"jnull"
_EMPTY_CALL: Final = b"j[]"

_TAG_IN_JSON: Final = f'"{TAG}"'.encode()
_OUTPUT_IN_JSON: Final = b'"output"'


def dumps(value: Any, *, where: str = "value", with_outputs: bool = True) -> bytes:
    """Write a value as bytes.

    Args:
        value: what to write.
        where: what errors call the value, such as ``"return value"``.
        with_outputs: whether it may hold outputs of jobs, which only arguments may.

    Raises:
        SerializationError: for something that can't be carried, naming its place, its type and the way out.
    """
    data, outputs = encode(value, where)
    if outputs and not with_outputs:
        raise SerializationError(
            f"{where} holds the output of job {outputs[0].job_id!r}, which only arguments of a job can: nobody would "
            "replace it"
        )
    return data


def loads(
    data: bytes,
    *,
    output: Callable[[Output], Any] | None = None,
    classes: Callable[[str], type] | None = None,
) -> Any:
    """Read what ``dumps`` wrote.

    Args:
        data: the bytes.
        output: gives the value for an ``Output`` in the data; without it, the ``Output`` itself comes back. What it
            raises is passed on as it is.
        classes: gives the class of a dotted path, such as ``resolve_class`` does; without it, dataclasses and enums
            come back as ``Unbuilt``. Only workers import what data name.

    Raises:
        SerializationError: for bytes that were cut off, damaged, or written by something else.
    """
    if data == _EMPTY_CALL:
        return []
    if data[:1] != _JSON:
        raise SerializationError(_why_foreign(data))
    decoder = _plain_decoder if _TAG_IN_JSON not in data else _decoder(reader_of(output, classes))
    try:
        text = data[1:].decode()
        value, end = decoder.raw_decode(text)
    except OutputError as wrapped:
        raise wrapped.error from wrapped.error.__cause__
    except SerializationError:
        raise
    except (ValueError, RecursionError) as error:
        raise SerializationError(f"these bytes were cut off or damaged: {error}") from error
    if end != len(text):
        raise SerializationError(f"these bytes were damaged: something follows the value, at character {end + 1}")
    return value


def encode(value: Any, where: str) -> tuple[bytes, list[Output]]:
    """Write a value that may hold outputs of jobs, such as what a job has returned, as bytes.

    Args:
        value: what to write.
        where: what errors call it.

    Returns:
        The bytes, and the outputs found anywhere inside: one for each job, a required one if there is any.

    Raises:
        SerializationError: for something that can't be carried, naming its place, its type and the way out.
    """
    if value is None:  # which most jobs return
        return _NONE, []
    data = _plain_bytes(value, (value,))
    if data is not None:
        return data, []
    writer = Writer()
    return _bytes_of(writer.write(value, where)), list(writer.outputs.values())


def outputs_in(data: bytes) -> list[Output]:
    """The outputs that bytes hold, in their order. Raises what ``loads`` raises."""
    found: list[Output] = []
    if _OUTPUT_IN_JSON in data:
        loads(data, output=found.append)
    return found


def encode_call(args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[bytes, list[Output]]:
    """Write the arguments of a call as bytes.

    Args:
        args: the positional arguments.
        kwargs: the keyword arguments.

    Returns:
        The payload, and the outputs found anywhere inside: one for each job, a required one if there is any.

    Raises:
        SerializationError: for an argument that can't be carried, naming its place, its type and the way out.
    """
    if not args and not kwargs:
        return _EMPTY_CALL, []
    call = [args, kwargs] if kwargs else [args]
    data = _plain_bytes(call, (*args, kwargs) if kwargs else args)
    if data is not None:
        return data, []
    writer = Writer()
    written = [writer.write(value, f"argument {number}") for number, value in enumerate(args, 1)]
    if not kwargs:
        return _bytes_of([written]), list(writer.outputs.values())
    names = [writer.write(name, f"the name {name!r} of a keyword argument") for name in kwargs]
    named = [writer.write(value, f"keyword argument {name!r}") for name, value in kwargs.items()]
    return _bytes_of([written, object_of(names, named)]), list(writer.outputs.values())


def call_in(value: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """The positional and the keyword arguments, given what was read of a call.

    Raises:
        SerializationError: this is no call.
    """
    match value:
        case []:
            return (), {}
        case [list(args)]:
            return tuple(args), {}
        case [list(args), dict(kwargs)] if STR.issuperset(map(type, kwargs)):
            return tuple(args), kwargs
    raise SerializationError("these bytes hold a value, but not the arguments of a call")


def _plain_bytes(value: Any, parts: Collection[Any]) -> bytes | None:
    """The bytes of a value whose parts JSON carries as they are; ``None`` if the writer has to look at them."""
    try:
        return _bytes_of(value) if _are_plain(parts, MAX_DEPTH) else None
    except (ValueError, RecursionError):  # not finite, of very many digits, lone surrogates, or a deep stack
        return None


def _are_plain(values: Collection[Any], depth: int) -> bool:
    if PLAIN.issuperset(map(type, values)):
        return True
    if not depth:
        return False
    for value in values:
        kind = type(value)
        if kind in PLAIN:
            continue
        if kind is dict:
            if TAG in value or not STR.issuperset(map(type, value)) or not _are_plain(value.values(), depth - 1):
                return False
        elif kind is not list or not _are_plain(value, depth - 1):
            return False
    return True


_encode = json.JSONEncoder(
    ensure_ascii=False, check_circular=False, allow_nan=False, separators=(",", ":")
).encode  # fmt: skip


def _bytes_of(value: Any) -> bytes:
    return _JSON + _encode(value).encode()


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _decoder(object_hook: Callable[[dict[str, Any]], Any] | None) -> json.JSONDecoder:
    return json.JSONDecoder(object_hook=object_hook, parse_constant=_refuse_constant)


_plain_decoder = _decoder(None)


def _why_foreign(data: bytes) -> str:
    if not data:
        return "there are no bytes to read"
    return (
        f"these bytes begin with {data[:1]!r}, which this version of rqdeps can't read: a newer version, another "
        "serializer or another program wrote them"
    )
