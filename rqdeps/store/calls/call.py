"""A call to a script, as a value."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Generic, TypeVar, overload

T = TypeVar("T")

Argument = str | bytes | int | float


@dataclass
class Call(Generic[T]):
    """One call to a script. It is not changed once it is made, and not frozen, which would take four times as long.

    Attributes:
        script: the script's name.
        args: its ARGV; its only key is always the prefix of the deployment.
        read: turns the reply into the result, or raises what the reply stands for.
        writes: whether the call changes data.
        args_again: its ARGV when an earlier sending may have arrived, where they differ.
    """

    script: str
    args: Sequence[Argument]
    read: Callable[[Any], T]
    writes: bool = True
    args_again: Sequence[Argument] | None = None

    def again(self) -> Call[T]:
        """The same call, to be sent after an earlier sending was left without a reply."""
        return self if self.args_again is None else replace(self, args=self.args_again)


class CallsToBe(Sequence[Call[T]]):
    """Calls that are made when their turn comes, so that the server gets the first before the last is made.

    Args:
        calls: makes them, one after the other.
    """

    def __init__(self, calls: Iterable[Call[T]]) -> None:
        self._to_come = iter(calls)
        self._made: list[Call[T]] = []

    def __iter__(self) -> Iterator[Call[T]]:
        yield from self._made
        for call in self._to_come:
            self._made.append(call)
            yield call

    def __len__(self) -> int:
        self._made += self._to_come
        return len(self._made)

    @overload
    def __getitem__(self, place: int) -> Call[T]: ...

    @overload
    def __getitem__(self, place: slice) -> list[Call[T]]: ...

    def __getitem__(self, place: int | slice) -> Call[T] | list[Call[T]]:
        self._made += self._to_come
        return self._made[place]


def counted(values: Sequence[Argument]) -> list[Argument]:
    """A list as scripts read it: its length, then its elements."""
    return [len(values), *values]


def text(value: bytes | str) -> str:
    """A reply's bytes as text."""
    return value if isinstance(value, str) else value.decode()


def texts(values: Sequence[bytes]) -> list[str]:
    """Bytes of a reply as texts."""
    return [text(value) for value in values]


def pairs(values: Sequence[Any]) -> dict[str, Any]:
    """A reply of the form name, value, name, value, … as a dictionary."""
    return {text(values[i]): values[i + 1] for i in range(0, len(values), 2)}
