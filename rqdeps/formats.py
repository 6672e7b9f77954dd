"""The ways in which values become bytes: what each has to know, and JSON, which every process can read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, Protocol

from rqdeps import serializers
from rqdeps.dependency import Output


class Format(Protocol):
    """One way of writing values, told from the others by the first byte of what it writes."""

    @property
    def mark(self) -> bytes:
        """That byte."""
        ...

    @property
    def name(self) -> str:
        """What people call it."""
        ...

    def encode_call(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[bytes, list[Output]]:
        """Write the arguments of a call; see ``serializers.encode_call``."""
        ...

    def encode(self, value: Any, where: str) -> tuple[bytes, list[Output]]:
        """Write what a job has returned; ``where`` is what errors call it."""
        ...

    def loads(
        self, data: bytes, *, output: Callable[[Output], Any] | None, classes: Callable[[str], type] | None
    ) -> Any:
        """Read what one of these wrote; see ``serializers.loads``."""
        ...

    def outputs_in(self, data: bytes) -> list[Output]:
        """The outputs that bytes hold, in their order."""
        ...


class JsonFormat:
    """JSON with tags; see ``rqdeps.serializers``."""

    mark: Final = b"j"
    name: Final = "json"
    encode_call = staticmethod(serializers.encode_call)
    encode = staticmethod(serializers.encode)
    loads = staticmethod(serializers.loads)
    outputs_in = staticmethod(serializers.outputs_in)


JSON: Final = JsonFormat()
