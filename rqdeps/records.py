"""Members of enums and instances of dataclasses: what JSON carries of them, and how they are made again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass
from enum import Enum, EnumMeta, Flag
from functools import cached_property
from types import BuiltinFunctionType
from typing import Any, Final, TypeGuard
from weakref import WeakKeyDictionary

from rqdeps.classes import CLASS_CHANGED, class_path
from rqdeps.errors import JobTimeoutError, SerializationError
from rqdeps.refusals import RefusedError

#: What to pass instead of an instance that can't be carried.
_PLAIN_DICT: Final = "pass a plain dict, such as dataclasses.asdict(...) of it"


def is_enum(kind: type) -> TypeGuard[type[Enum]]:
    """Whether a class is an enum, be it an ``IntEnum`` or a ``Flag``."""
    return isinstance(kind, EnumMeta)


# Apart


def member_of(value: Enum) -> str | int:
    """The name of an enum's member; the value of what combines several members of a ``Flag``.

    Raises:
        RefusedError: it is no member that the class would give again.
    """
    kind, name = type(value), value._name_
    if name is not None and kind._member_map_.get(name) is value:
        return name
    if isinstance(value, Flag) and type(value._value_) is int:
        return value._value_
    raise RefusedError(f"is {value!r}, which is no member of its class by name: pass its .value")


def fields_of(value: Any) -> dict[str, Any]:
    """The fields of a dataclass's instance, by name.

    Raises:
        RefusedError: there is more to the instance than its fields, or less.
    """
    kind = type(value)
    shape = _shapes.get(kind)
    if shape is None:
        shape = _shapes[kind] = _Shape.of(kind)
    path = class_path(kind)
    found: dict[str, Any] = {}
    for name in shape.names:
        try:
            found[name] = getattr(value, name)
        except AttributeError:
            raise RefusedError(
                f"is of the dataclass {path}, whose field {name!r} has no value: give it one, or a default"
            ) from None
    _refuse_more(value, path, shape)
    return found


@dataclass(frozen=True)
class _Shape:
    """What instances of a dataclass consist of.

    Attributes:
        names: its fields.
        forgotten: what its instances may hold besides, and work out again: cached properties.
        slots: its slots that are no fields.
    """

    names: tuple[str, ...]
    forgotten: frozenset[str]
    slots: tuple[str, ...]

    @classmethod
    def of(cls, kind: type) -> _Shape:
        """The shape of a class.

        Raises:
            RefusedError: its instances are something else too, such as a dict, whose content is in no field.
        """
        for base in kind.__mro__[:-1]:
            if isinstance(base.__dict__.get("__new__"), BuiltinFunctionType):
                raise RefusedError(
                    f"is of the dataclass {class_path(kind)}, which inherits from {base.__name__}, so that its fields "
                    f"are not all of it: {_PLAIN_DICT}"
                )
        names = tuple(field.name for field in fields(kind))
        forgotten: set[str] = set()
        slots: list[str] = []
        for base in kind.__mro__:
            forgotten.update(name for name, each in vars(base).items() if isinstance(each, cached_property))
            own = base.__dict__.get("__slots__", ())
            slots += [own] if isinstance(own, str) else list(own)
        others = [name for name in slots if name not in (*names, "__dict__", "__weakref__")]
        return cls(names, frozenset(forgotten), tuple(others))


_shapes: WeakKeyDictionary[type, _Shape] = WeakKeyDictionary()


def _refuse_more(value: Any, path: str, shape: _Shape) -> None:
    """Refuses an instance with attributes that are no fields: it would come back without them."""
    held = getattr(value, "__dict__", {})
    if len(held) > len(shape.names) or not held.keys() <= set(shape.names):
        for name in held:
            if name == "__orig_class__":
                raise RefusedError(
                    f"is {path} made by a class with its types in brackets, {held[name]}, which can't be carried: make "
                    f"it by {path.rpartition('.')[2]}(...) alone"
                )
            if name not in shape.names and name not in shape.forgotten:
                raise RefusedError(_why_not_more(path, name))
    for name in shape.slots:
        if hasattr(value, name):
            raise RefusedError(_why_not_more(path, name))


def _why_not_more(path: str, name: str) -> str:
    return (
        f"is of the dataclass {path} and has the attribute {name!r}, which is no field and would be lost: make it one, "
        f"with field(init=False), or {_PLAIN_DICT}"
    )


# Together


def made(kind: type, path: str, fields: Mapping[str, Any], *, is_member: bool) -> Any:
    """The member of an enum, or the instance of a dataclass.

    Args:
        kind: the class.
        path: its dotted path, for errors.
        fields: the fields; of a member its ``name``, or its ``value``.
        is_member: whether it is an enum's member.

    Raises:
        SerializationError: the class is none, or has other members or fields than these.
    """
    try:
        return _member(kind, path, fields) if is_member else _instance(kind, path, fields)
    except (JobTimeoutError, SerializationError):
        raise
    except Exception as error:  # of the class's own code, such as that of a descriptor
        raise SerializationError(f"these bytes hold a {path} that can't be made: {error}") from error


def _member(kind: type, path: str, fields: Mapping[str, Any]) -> Enum:
    if not is_enum(kind):
        raise SerializationError(f"these bytes hold a member of {path}, which is no enum; {CLASS_CHANGED}")
    if "name" not in fields:
        return kind(fields["value"])
    name = fields["name"]
    if name not in kind._member_map_:
        raise SerializationError(
            f"these bytes hold the member {name!r} of the enum {path}, which has none of this name; {CLASS_CHANGED}"
        )
    return kind._member_map_[name]


def _instance(kind: type, path: str, given: Mapping[str, Any]) -> Any:
    """An instance with these fields.

    They are set, and not passed to ``__init__``: that would refuse those with ``init=False``, ask for the values of
    ``InitVar`` that nobody kept, and let ``__post_init__`` change again what it has changed already. ``object`` sets
    them, as frozen classes do not let themselves be changed, and a class's own methods may do more than that.
    """
    if not is_dataclass(kind):
        raise SerializationError(f"these bytes hold a {path}, which is no dataclass; {CLASS_CHANGED}")
    names = {field.name for field in fields(kind)}
    for name in given:
        if name not in names:
            raise SerializationError(
                f"these bytes hold a {path} with the field {name!r}, which that dataclass does not have; "
                f"{CLASS_CHANGED}"
            )
    for name in names:
        if name not in given:
            raise SerializationError(
                f"these bytes hold a {path} without the field {name!r}, which that dataclass has; {CLASS_CHANGED}"
            )
    instance = object.__new__(kind)
    for name, value in given.items():
        object.__setattr__(instance, name, value)
    return instance
