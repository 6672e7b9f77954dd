"""Sizes: what people write (``1000000``, ``"32M"``) as bytes, and these as people read them."""

from __future__ import annotations

import re
from typing import Final

_UNITS: Final = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30}
_SIZE: Final = re.compile(r"(\d+)\s*([kmg]?)", re.ASCII | re.IGNORECASE)

#: From here on sizes are shown in MiB, in bytes.
_IN_MIB: Final = 100_000


def to_bytes(value: int | str, name: str, *, most: int) -> int:
    """Read a size.

    Args:
        value: a number of bytes; or a text of one, or of a whole number with the unit K, M or G (1,024 bytes, that
            squared, cubed), such as ``"32M"``.
        name: what errors call it, such as ``"max_payload"``.
        most: the largest size, in bytes.

    Raises:
        TypeError: for something else than these types.
        ValueError: for another text, for nothing, or for more than the largest.
    """
    if isinstance(value, bool) or not isinstance(value, (int, str)):
        raise TypeError(f"{name} is a number of bytes, or a text such as '32M', not {type(value).__name__}")
    size = value
    if isinstance(size, str):
        found = _SIZE.fullmatch(size.strip())
        if found is None:
            raise ValueError(f"{name} is a number of bytes, or a text such as '500K', '32M' or '1G', not {value!r}")
        size = int(found[1]) * _UNITS[found[2].lower()]
    if not 1 <= size <= most:
        raise ValueError(f"{name} is from 1 byte up to {format_bytes(most)}, not {value!r}")
    return size


def format_bytes(size: int) -> str:
    """Say a size for people: ``1,200 bytes``, ``16 MiB``, ``16.1 MiB``."""
    if size < _IN_MIB:
        return f"{size:,} bytes"
    return f"{size / (1 << 20):,.1f} MiB".replace(".0 MiB", " MiB")
