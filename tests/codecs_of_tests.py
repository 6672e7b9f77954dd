"""Serializers and functions of a user's own, for tests of how values are carried."""

from __future__ import annotations

import json
import threading

from rqdeps import Queue, get_current_job


class Reversed:
    """JSON, written backwards: nothing else reads it."""

    def dumps(self, value):
        return json.dumps(value).encode()[::-1]

    def loads(self, data):
        return json.loads(data[::-1])


class Sick:
    """Fails, each time in another way."""

    def dumps(self, value):
        if value == [["text"], {}]:
            return "text"
        raise RuntimeError("no")

    def loads(self, data):
        raise RuntimeError("never")


backwards = Reversed()
no_serializer = object()


class Handle:
    """Something that only pickle carries; unless it is locked, then nothing does."""

    def __init__(self, value, *, locked=False):
        self.value = value
        self.lock = threading.Lock() if locked else None

    def __eq__(self, other):
        return isinstance(other, Handle) and self.value == other.value

    __hash__ = None  # type: ignore[assignment]


class Shattering:
    """Can be pickled, but not unpickled."""

    def __reduce__(self):
        return int, ("no number",)


def handle(value):
    return Handle(value)


def locked():
    return Handle(1, locked=True)


def unwrap(handle):
    return handle.value


def doubled(handle):
    return Handle(handle.value * 2)


def spawn_two(handle):
    job = get_current_job()
    return [job.spawn(unwrap, handle).output, {"again": job.spawn(doubled, handle).output}]


def spawn_list(value):
    job = get_current_job()
    return [job.spawn(echo, value).output, job.spawn(echo, [value]).output]


def give_shattering():
    return Shattering()


def fall_back(handle):
    return ["fallback", handle.value]


def fail(*args):
    raise ValueError("fails")


def echo(value):
    return value


def marks():
    """By which format this job, and what is enqueued here, are written."""
    return get_current_job().codec.writes.name, Queue().codec.writes.name
