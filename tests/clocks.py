"""The clock of a server, as the scripts see it, which tests set ahead and back."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any
from unittest import mock

import rqdeps.store.store
from rqdeps.store.scripts import Script, script

_ASKED = "local clock = redis.call('TIME')\n"


@dataclass
class Clock:
    """A clock that is ahead of the server's by so many seconds.

    Attributes:
        ahead: how many; below 0 it is behind.
    """

    ahead: int = 0

    def jump(self, seconds: int) -> None:
        """Sets the clock ahead, or back."""
        self.ahead += seconds

    def script(self, name: str, **options: Any) -> Script:
        """A script that goes by this clock."""
        found = script(name, **options)
        assert found.body.count(_ASKED) == ("TIME" in found.body)
        body = found.body.replace(_ASKED, f"{_ASKED}clock[1] = clock[1] + {self.ahead}\n")
        return replace(found, body=body, sha=hashlib.sha1(body.encode(), usedforsecurity=False).hexdigest())


@contextmanager
def clock_of_server() -> Iterator[Clock]:
    """Has all scripts go by a clock that the test sets."""
    clock = Clock()
    with mock.patch.object(rqdeps.store.store, "script", clock.script):
        yield clock
