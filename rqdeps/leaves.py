"""The types that hold no other values, such as dates and paths: in which parts JSON carries them."""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Callable, Iterable, Mapping
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from functools import partial
from pathlib import PosixPath, PurePosixPath, PureWindowsPath, WindowsPath
from typing import Any, Final, NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

from rqdeps.refusals import RefusedError


class Leaf(NamedTuple):
    """How one type is taken apart and made again.

    Attributes:
        parts_of: gives the parts of a value, all of JSON's own types.
        make: makes the value, given its parts.
    """

    parts_of: Callable[[Any], Iterable[str | int | None]]
    make: Callable[..., Any]


def base64_of(data: bytes | bytearray) -> str:
    """Bytes as text in Base64."""
    return b64encode(data).decode()


def _text_of(value: Any) -> tuple[str]:
    return (str(value),)


def _parts_of_windows_path(value: PureWindowsPath) -> tuple[str]:
    text = str(value)
    if str(type(value)(text)) != text:  # broken ones, such as //server//, read differently once they are text
        raise RefusedError(f"is {value!r}, which is no well-formed path: pass it as a str")
    return (text,)


def _parts_of_moment(value: datetime | time) -> tuple[str | int | None, ...]:
    """ISO text with any fixed offset; the key of a zone; the fold if it is 1.

    An offset that has a name, or a fraction of a second, which ``fromisoformat`` loses, stands in microseconds in place
    of the key; its name follows the fold.
    """
    zone = value.tzinfo
    if zone is None:
        return _trimmed(value.isoformat(), None, value.fold)
    if type(zone) is ZoneInfo and zone.key:
        return _trimmed(value.replace(tzinfo=None).isoformat(), zone.key, value.fold)
    if type(zone) is not timezone:
        raise RefusedError(
            f"has a time zone of the type {type(zone).__module__}.{type(zone).__qualname__}, which can't be carried: "
            "use zoneinfo.ZoneInfo, or a fixed offset such as datetime.timezone.utc"
        )
    offset, name = zone.utcoffset(None), zone.tzname(None)
    is_named = name != timezone(offset).tzname(None)
    if not is_named and not offset.microseconds:
        return _trimmed(value.isoformat(), None, value.fold)
    text, offset_us = value.replace(tzinfo=None).isoformat(), offset // timedelta(microseconds=1)
    return (text, offset_us, value.fold, name) if is_named else _trimmed(text, offset_us, value.fold)


def _trimmed(text: str, zone: str | int | None, fold: int) -> tuple[str | int | None, ...]:
    if fold:
        return text, zone, fold
    return (text,) if zone is None else (text, zone)


def _make_moment(
    kind: type[datetime] | type[time], text: str, zone: str | int | None = None, fold: int = 0, *name: str
) -> datetime | time:
    value = kind.fromisoformat(text).replace(fold=fold)
    if zone is None:
        return value
    return value.replace(
        tzinfo=ZoneInfo(zone) if isinstance(zone, str) else timezone(timedelta(microseconds=zone), *name)
    )


LEAVES: Final[Mapping[type, Leaf]] = {
    datetime: Leaf(_parts_of_moment, partial(_make_moment, datetime)),
    date: Leaf(lambda value: (value.isoformat(),), date.fromisoformat),
    time: Leaf(_parts_of_moment, partial(_make_moment, time)),
    timedelta: Leaf(lambda value: (value.days, value.seconds, value.microseconds), timedelta),
    Decimal: Leaf(_text_of, Decimal),
    UUID: Leaf(_text_of, UUID),
    bytes: Leaf(lambda value: (base64_of(value),), partial(b64decode, validate=True)),
    bytearray: Leaf(lambda value: (base64_of(value),), lambda text: bytearray(b64decode(text, validate=True))),
    PosixPath: Leaf(_text_of, PosixPath),
    WindowsPath: Leaf(_parts_of_windows_path, WindowsPath),
    PurePosixPath: Leaf(_text_of, PurePosixPath),
    PureWindowsPath: Leaf(_parts_of_windows_path, PureWindowsPath),
}
