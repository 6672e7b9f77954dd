"""Classes of a user's own, for tests of what carries their values."""

from __future__ import annotations

import abc
import dataclasses
from dataclasses import InitVar, dataclass, field
from datetime import date
from enum import Enum, Flag, IntEnum, IntFlag
from functools import cached_property
from typing import Any, ClassVar, Generic, TypeVar

T = TypeVar("T")


class Color(Enum):
    RED = 1
    GREEN = "green"
    CRIMSON = 1  # noqa: PIE796 - another name of the first


class Level(IntEnum):
    LOW = 1
    HIGH = 2


class Word(str, Enum):
    YES = "yes"
    NAME = "name"


class Moment(date, Enum):
    EPOCH = 1970, 1, 1


class Mode(Flag):
    READ = 1
    WRITE = 2
    BOTH = 3
    RUN = 4


class Bits(IntFlag):
    ONE = 1
    HIGH = 1 << 3000


class Open(Enum):
    """Takes any value."""

    KNOWN = 1

    @classmethod
    def _missing_(cls, value):
        member = object.__new__(cls)
        member._name_, member._value_ = "made up", value
        return member


@dataclass
class Point:
    x: Any
    y: Any = 0


@dataclass(frozen=True)
class Frozen:
    left: Any
    right: Any = field(default=None, kw_only=True)


@dataclass(frozen=True, slots=True)
class Slotted:
    value: Any


@dataclass
class Counted:
    """Works some of its fields out, and would refuse to be made by its own ``__init__`` again."""

    seen: int = field(init=False)
    start: InitVar[int]
    history: list[Any] = field(default_factory=list)
    kind: ClassVar[str] = "counted"

    def __post_init__(self, start):
        self.seen = start + 1
        self.history.append("made")


@dataclass
class Special(Point):
    z: Any = field(default=None, compare=False, repr=False)


class Plain(Point):
    """A subclass that is no dataclass by itself, and adds no fields."""

    def norm(self):
        return self.x + self.y


@dataclass
class Box(Generic[T]):
    content: T


@dataclass
class Picky:
    value: Any

    def __new__(cls, *args):
        assert args, "made without arguments"
        return super().__new__(cls)

    def __setattr__(self, name, value):
        object.__setattr__(self, name, [value])


@dataclass
class Unhashed:
    value: Any

    def __hash__(self):
        if self.value == "bad":
            raise RuntimeError("no hash")
        return 1


@dataclass
class Cached:
    value: int

    @cached_property
    def double(self):
        return self.value * 2


@dataclass
class Careless:
    value: int

    def __post_init__(self):
        self.connection = object()


@dataclass
class Unset:
    value: int = field(init=False)


class Slots:
    __slots__ = ("extra",)


@dataclass
class SlotsBelow(Slots):
    value: int


@dataclass
class Mapped(dict):  # type: ignore[type-arg]
    value: int = 1


@dataclass
class Raised(Exception):  # noqa: N818
    value: int = 1


@dataclass
class Abstract(abc.ABC):
    value: int

    @abc.abstractmethod
    def work(self): ...


class NotAClass:
    Inner = Point


class Outer:
    class Color(Enum):
        SEA = 1

    @dataclass
    class Inner:
        value: Any


class Both(Point, Enum):
    """An enum whose members are instances of a dataclass."""

    ORIGIN = 0, 0
    UNIT = 1, 1


Renamed = dataclasses.make_dataclass("Other", ["value"])
not_a_class = Point(1)


def make_local():
    @dataclass
    class Local:
        value: int

    return Local(1)
