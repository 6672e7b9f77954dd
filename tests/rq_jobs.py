"""Functions of jobs that are enqueued in RQ, for both RQ and rqdeps to run. Imported where neither may be installed."""

from __future__ import annotations

import os
from pathlib import Path


def note(path, name):
    """Appends a line to a file, which is whole however many write at once."""
    with open(path, "a") as file:
        file.write(f"{name}\n")
    return name


def add(left, right=0):
    return left + right


def meet(here, release):
    """Says that it runs, and waits until it may go on."""
    Path(here).write_text(str(os.getpid()))
    Path(release).read_text()


def boom(*args):
    raise ValueError("boom")


def called_back(job, connection, *rest):
    pass


class Plain:
    """An object that pickle carries and JSON doesn't."""

    def __init__(self, value=0):
        self.value = value

    def method(self, more):
        return self.value + more


def value_of(plain):
    return plain.value
