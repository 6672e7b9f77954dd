"""What RQ has written of a call: its function and arguments, and its meta, by the serializer that RQ was given."""

from __future__ import annotations

import json
import pickle
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from rqdeps.errors import SerializationError
from rqdeps.from_rq.server import StoredJob
from rqdeps.imports import find_object

#: Reads the bytes that RQ's serializer wrote.
Loads = Callable[[bytes], Any]


class CannotMoveError(Exception):
    """A job can't be moved; the message says why, and what to do about it."""


@dataclass(frozen=True)
class RqCall:
    """A call as RQ stores it."""

    function: str
    args: tuple[Any, ...]
    kwargs: dict[str, Any]


def loads_of(serializer: str) -> Loads:
    """How RQ's values are read.

    Args:
        serializer: ``"pickle"``, ``"json"``, or the dotted path of what has ``loads``, as RQ takes it.

    Raises:
        ValueError: there is no such serializer.
    """
    if serializer == "pickle":
        return pickle.loads
    if serializer == "json":
        return json.loads
    if "." not in serializer:
        raise ValueError(f"there is no serializer {serializer!r}: it is pickle, json, or the dotted path of one")
    try:
        found = find_object(serializer, SerializationError)
    except SerializationError as error:
        raise ValueError(str(error)) from error
    loads: object = getattr(found, "loads", None)
    if not callable(loads):
        raise ValueError(f"{serializer} is no serializer: it has no loads")
    return loads


def call_of(job: StoredJob, loads: Loads) -> RqCall:
    """The function and arguments of a job.

    Raises:
        CannotMoveError: they can't be read, or the function is a method of an object that was stored with them.
    """
    match _read(_decompressed(job.fields.get("data", b"")), loads, "its function and arguments"):
        case [str(function), None, list() | tuple() as args, dict(kwargs)]:
            return RqCall(function, tuple(args), kwargs)
        case [str(function), instance, list() | tuple(), dict()]:
            raise CannotMoveError(
                f"it calls the method {function!r} of an object of the type {type(instance).__name__}, which rqdeps "
                "does not store: enqueue a function that makes the object, or let RQ run the job"
            )
    raise CannotMoveError("its data is no call, as RQ writes one: was another serializer used? See --rq-serializer")


def meta_of(job: StoredJob, loads: Loads) -> dict[str, Any]:
    """The meta of a job.

    Raises:
        CannotMoveError: it can't be read.
    """
    written = job.fields.get("meta")
    meta = _read(written, loads, "its meta") if written else {}
    if not isinstance(meta, dict):
        raise CannotMoveError(f"its meta is no dictionary, but of the type {type(meta).__name__}")
    return meta


def _decompressed(data: bytes) -> bytes:
    try:
        return zlib.decompress(data)
    except zlib.error:  # as old releases of RQ have written it
        return data


def _read(data: bytes, loads: Loads, what: str) -> Any:
    try:
        return loads(data)
    except Exception as error:
        raise CannotMoveError(
            f"{what} can't be read ({type(error).__name__}: {error}): is the program's code here, and is the "
            "serializer the one that RQ was given? See --rq-serializer"
        ) from error
