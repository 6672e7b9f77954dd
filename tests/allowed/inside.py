"""What is allowed to run, and what only looks like it."""

import dataclasses
import enum
import functools
import os  # noqa: F401
import subprocess
from os import system
from typing import NamedTuple

from allowed import outside

evaluate = eval


def run():
    return "inside"


def show(value):
    return f"{value}"


def keep(function):
    @functools.wraps(function)
    def kept(*args):
        return function(*args)

    return kept


cached = functools.lru_cache(run)
kept = functools.cache(run)
wrapped = keep(run)
anonymous = lambda: "inside"  # noqa: E731
asked_for = functools.partial(run)

wrapped_system = keep(system)
cached_system = functools.cache(system)
call_system = functools.partial(system, "true")
call_call_system = functools.partial(functools.partial(system), "true")
lower = "TEXT".lower


class Thing:
    def method(self):
        return "inside"

    def __call__(self):
        return "inside"

    @classmethod
    def of_class(cls):
        return "inside"

    @staticmethod
    def of_nobody():
        return "inside"


thing = Thing()
ready = Thing().method


@dataclasses.dataclass
class Point:
    x: int


class Pair(NamedTuple):
    first: int


class Colour(enum.Enum):
    RED = 1


class Text(str):
    pass


class TroubleError(ValueError):
    pass


class Process(subprocess.Popen):
    pass


class OwnProcess(subprocess.Popen):
    def __init__(self):
        pass


class OfMeta(metaclass=outside.Meta):
    pass


class Inheriting(outside.Callable):
    pass


process_of_class = classmethod(run).__get__(None, subprocess.Popen)
inherited_call = Inheriting()
