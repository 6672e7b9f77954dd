"""Instances of dataclasses and members of enums, as they are read by a program that does not import their classes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar, cast

from rqdeps.records import made

T = TypeVar("T")


class Unbuilt:
    """What a job returned, or takes, of a class of its own: the class's path and the values, not yet the real thing.

    Only workers import classes that data name. A program that reads a result gets this in place of a dataclass's
    instance or an enum's member, and makes the real thing of a class that it names itself::

        order = job.result              # <shop.models.Order(id=7, state=<shop.models.State 'PAID'>)>
        order.id                        # 7
        order.build(Order, State)       # Order(id=7, state=State.PAID)

    The fields are its attributes; ``fields`` has those too that are called like a method here. A member of an enum has
    a ``name``, or a ``value`` where it combines several of a ``Flag``. It is equal to another of the same class with
    equal values, and can be passed to a job, which gets the real thing.

    Args:
        class_path: the dotted path of the class.
        fields: the values by name.
        is_member: whether it is a member of an enum.
    """

    __slots__ = ("_class_path", "_fields", "_is_member")

    def __init__(self, class_path: str, fields: Mapping[str, Any], *, is_member: bool = False) -> None:
        self._class_path = class_path
        self._fields = dict(fields)
        self._is_member = is_member

    @property
    def class_path(self) -> str:
        """The dotted path of the class, such as ``"shop.models.Order"``."""
        return self._class_path

    @property
    def fields(self) -> dict[str, Any]:
        """The values by name; of a member of an enum its ``name`` or its ``value``."""
        return dict(self._fields)

    @property
    def is_member(self) -> bool:
        """Whether it is a member of an enum, and not an instance of a dataclass."""
        return self._is_member

    def build(self, cls: type[T], *inner: type) -> T:
        """Makes the real thing.

        Args:
            cls: the class; its path must be the one that came with the values.
            *inner: the classes of what stands inside, in fields, lists, dicts, tuples and sets. What is of none of
                these stays as it is.

        Raises:
            TypeError: the class is another one.
            SerializationError: the class has other fields or members than these.
        """
        if _path_of(cls) != self._class_path:
            raise TypeError(f"this is a {self._class_path}, and can't be made as a {_path_of(cls)}")
        return cast(T, self._built({_path_of(kind): kind for kind in (cls, *inner)}))

    def _built(self, classes: Mapping[str, type]) -> Any:
        fields = {name: _built(value, classes) for name, value in self._fields.items()}
        kind = classes.get(self._class_path)
        if kind is None:
            return Unbuilt(self._class_path, fields, is_member=self._is_member)
        return made(kind, self._class_path, fields, is_member=self._is_member)

    def __getattr__(self, name: str) -> Any:
        if name not in Unbuilt.__slots__ and name in self._fields:
            return self._fields[name]
        raise AttributeError(f"{self._class_path if name not in Unbuilt.__slots__ else 'Unbuilt'} has no {name!r} here")

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *self._fields]

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Unbuilt):
            return NotImplemented
        return self._class_path == other._class_path and self._fields == other._fields

    def __hash__(self) -> int:
        return hash((self._class_path, *map(_hash_of, self._fields.values())))

    def __repr__(self) -> str:
        if self._is_member:
            return f"<{self._class_path} {next(iter(self._fields.values()), None)!r}>"
        return f"<{self._class_path}({', '.join(f'{name}={value!r}' for name, value in self._fields.items())})>"

    def __reduce__(self) -> tuple[Any, ...]:
        return _restored, (self._class_path, self._fields, self._is_member)


def _restored(class_path: str, fields: dict[str, Any], is_member: bool) -> Unbuilt:
    return Unbuilt(class_path, fields, is_member=is_member)


def _path_of(kind: type) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"


def _hash_of(value: Any) -> int:
    """The hash of a value; one for all that have none, as what can stand in a set may hold lists."""
    try:
        return hash(value)
    except TypeError:
        return 0


def _built(value: Any, classes: Mapping[str, type]) -> Any:
    if isinstance(value, Unbuilt):
        return value._built(classes)
    if type(value) is dict:
        return {_built(key, classes): _built(item, classes) for key, item in value.items()}
    if type(value) in (list, tuple, set, frozenset):
        items: Sequence[Any] = [_built(item, classes) for item in value]
        return type(value)(items)
    return value
