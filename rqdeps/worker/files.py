"""What descriptors stand for: whoever closes one and opens another may get its number."""

from __future__ import annotations

import os
from collections.abc import Iterable
from operator import attrgetter
from typing import Any, Final

_identity: Final[Any] = attrgetter("st_dev", "st_ino")


def identities(numbers: Iterable[int]) -> list[tuple[int, int]]:
    """What tells the files of descriptors from all others.

    Args:
        numbers: the descriptors.

    Raises:
        OSError: one of them is closed.
    """
    return list(map(_identity, map(os.fstat, numbers)))
