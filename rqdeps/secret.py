"""Arguments that nobody shall see but the job: encrypted on the server, and hidden in whatever the job tells of itself.

The key is made of the signing key: without one nothing is encrypted, and a secret is refused. It takes the package
``cryptography``, which the extra ``crypto`` installs.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import fields, is_dataclass
from enum import Enum
from importlib import import_module
from typing import Any, Final, NoReturn, TypeVar, cast
from urllib.parse import quote

from rqdeps.dependency import Output
from rqdeps.errors import SerializationError
from rqdeps.signing import KEYS_VARIABLE, Keyring

T = TypeVar("T")

#: What stands in place of a secret.
HIDDEN: Final = "***"

#: Texts shorter than this are not looked for: they would be found everywhere.
_SHORTEST: Final = 4

_PURPOSE: Final = b"rqdeps secrets 1"


def Secret(value: T) -> T:  # noqa: N802 - it marks a value as a type would
    """Marks an argument as secret: the function gets the value, and nobody else.

    On the server it is encrypted; programs, ``rqdeps job`` and errors show ``<secret>``. Where the job's errors, logs
    or progress contain it, ``***`` is stored instead. To keep it secret in what the function returns, mark it there.

    Args:
        value: what is secret: anything that arguments may be, but for outputs of other jobs.

    Raises:
        TypeError: it is the output of another job.
    """
    if isinstance(value, Output):
        raise TypeError("an output can't be marked as secret: return Secret(...) from the job whose output it is")
    return cast(T, SecretValue(value))


class _Unseen:
    """What shows nothing of itself, and is carried by JSON only."""

    def __repr__(self) -> str:
        return "<secret>"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a Secret is carried by JSON only, encrypted")


class SecretValue(_Unseen):
    """A value marked as secret, on its way to the server."""

    def __init__(self, value: Any) -> None:
        self.value = value


class HiddenSecret(_Unseen):
    """A secret that was not opened, as programs see it. It may be passed on."""

    def __init__(self, token: str) -> None:
        self.token = token

    def __eq__(self, other: object) -> bool:
        return isinstance(other, HiddenSecret) and other.token == self.token

    def __hash__(self) -> int:
        return hash(self.token)


# Encryption


def encrypt(text: str) -> str:
    """Text that only those with the key can read.

    Raises:
        SerializationError: there is no key, or the package that encrypts is missing.
    """
    return str(_fernet().encrypt(text.encode()).decode())


def decrypt(token: str) -> str:
    """What ``encrypt`` was given.

    Raises:
        SerializationError: there is no key that fits, or the package is missing.
    """
    fernet = _fernet()
    try:
        return str(fernet.decrypt(token.encode()).decode())
    except Exception as error:
        raise SerializationError(f"a Secret can't be read with any of the keys in {KEYS_VARIABLE} here") from error


def _fernet() -> Any:
    keys = Keyring.of_environment().derived(_derive)
    if not keys:
        raise SerializationError(f"a Secret is only carried encrypted, and there is no key: set {KEYS_VARIABLE}")
    try:
        fernet = import_module("cryptography.fernet")
    except ImportError as error:
        raise SerializationError(
            "a Secret is only carried encrypted, which takes a package: pip install 'rqdeps[crypto]'"
        ) from error
    return fernet.MultiFernet([fernet.Fernet(key) for key in keys])


def _derive(key: bytes) -> bytes:
    return base64.urlsafe_b64encode(hmac.new(key, _PURPOSE, hashlib.sha256).digest())


# Hiding


class OpenedSecrets:
    """The secrets that a job was given, to be hidden in what it tells of itself: those opened while this is entered."""

    def __init__(self) -> None:
        self._texts: set[str] = set()

    def note(self, value: Any) -> None:
        """Takes note of a secret, and of all texts inside of it."""
        waiting = [value]
        while waiting:
            each = waiting.pop()
            if isinstance(each, Mapping):
                waiting += [*each.keys(), *each.values()]
            elif isinstance(each, (list, tuple, set, frozenset)):
                waiting += each
            elif is_dataclass(each) and not isinstance(each, type):
                waiting += [getattr(each, field.name, None) for field in fields(each)]
            elif isinstance(each, Enum):
                waiting.append(each.value)
            elif isinstance(each, (bytes, bytearray)):
                waiting += [each.decode("utf-8", "replace"), repr(bytes(each))[2:-1]]
            elif each is not None and not isinstance(each, bool):
                text = each if isinstance(each, str) else str(each)
                forms = (text, repr(text)[1:-1], json.dumps(text)[1:-1], quote(text, safe=""), *text.splitlines())
                self._texts.update(form for form in forms if len(form) >= _SHORTEST)

    def hide(self, text: str) -> str:
        """The text without any of them."""
        for secret in sorted(self._texts, key=len, reverse=True):
            text = text.replace(secret, HIDDEN)
        return text

    def __enter__(self) -> OpenedSecrets:
        self._token = _noting.set(self)
        return self

    def __exit__(self, *exception: object) -> None:
        _noting.reset(self._token)


_noting: ContextVar[OpenedSecrets | None] = ContextVar("noting", default=None)


def note_opened(value: Any) -> None:
    """Says that a secret was opened."""
    noting = _noting.get()
    if noting is not None:
        noting.note(value)
