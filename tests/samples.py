"""Functions and classes that the tests of plain values enqueue, name and bind."""

from __future__ import annotations

import functools
import random
from typing import Any


def report(order, *, copies=1, title="report"):
    return order, copies, title


def anything(*args, **kwargs):
    return args, kwargs


def positional_only(first, /, second):
    return first, second


async def later(value):
    return value


def wrapping(fn):
    @functools.wraps(fn)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        return fn(*args, **kwargs)

    return wrapper


def bare(fn):
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        return fn(*args, **kwargs)

    return wrapper


@wrapping
def wrapped(order, depend_on=None):
    return order, depend_on


@bare
def badly_wrapped(order):
    return order


@functools.cache
def cached(order):
    return order


unnamed = lambda order: order  # noqa: E731


def make_nested():
    def nested(order):
        return order

    return nested


def original(order):
    return order


given_before_replacing = original


def original(order):
    return order, "replaced"


class Mailer:
    def __init__(self, host="localhost"):
        self.host = host

    def send(self, order):
        return self.host, order

    def __call__(self, order):
        return self.host, order

    @staticmethod
    def static(order):
        return order

    @classmethod
    def for_class(cls, order):
        return cls.__name__, order

    class Inner:
        @staticmethod
        def deep(order):
            return order


class SpecialMailer(Mailer):
    pass


mailer = Mailer()
deliver = mailer.send
send = mailer.send
randint = random.randint
not_callable = {"order": 1}
