"""Signatures: they tell what came from somebody who has the key from what anybody wrote who can write to the server.

A signed payload or result is ``s``, 32 bytes of HMAC-SHA256, two bytes that say how long the next is, ids of jobs with
commas between them, and the payload or result. The signature is over these ids and all that decides what is run and
how: so it can't be used for another job, nor beside other options. The ids are of the jobs for which a result may
stand: the one that returned it, and those that this one stands in for; with a payload, the latter.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import struct
from collections.abc import Callable, Sequence
from functools import cache
from typing import Final

from rqdeps.environment import Variable
from rqdeps.errors import SerializationError

#: Where the keys are: the first signs, all are accepted. Commas or blanks stand between them.
KEYS_VARIABLE: Final = "RQDEPS_SIGNING_KEY"

_keys: Final = Variable(KEYS_VARIABLE)

#: How many characters a key has at least: a key that can be guessed protects nothing.
SHORTEST_KEY: Final = 32

_SIGNED: Final = b"s"
_MAC_BYTES: Final = 32
_LENGTH: Final = struct.Struct(">H")


class SignatureError(SerializationError):
    """A payload or result is not signed, or not by a key that is known here, or not for this job and these options."""


class Keyring:
    """Keys that sign and check.

    Args:
        keys: the first signs; all are accepted. Without any, nothing is signed, and what is signed can't be read.

    Raises:
        ValueError: a key has fewer than 32 characters.
    """

    def __init__(self, keys: Sequence[str] = ()) -> None:
        for key in keys:
            if len(key) < SHORTEST_KEY:
                raise ValueError(
                    f"a signing key has {SHORTEST_KEY} characters or more, and one of {KEYS_VARIABLE} has {len(key)}: "
                    f"python -c 'import secrets; print(secrets.token_urlsafe(32))' makes one"
                )
        self._keys = [key.encode() for key in keys]

    def __repr__(self) -> str:
        return f"<Keyring with {len(self._keys)} keys>"  # and not which

    @classmethod
    def of_environment(cls) -> Keyring:
        """The keys that the environment names."""
        keys = _keys.get()
        return _read(keys) if keys else _NO_KEYS

    @property
    def signs(self) -> bool:
        """Whether there is a key, so that everything is signed, and nothing else is accepted."""
        return bool(self._keys)

    def derived(self, derive: Callable[[bytes], bytes]) -> list[bytes]:
        """Keys for another purpose, one of each key."""
        return [derive(key) for key in self._keys]

    def seal(self, data: bytes, context: Sequence[str], ids: Sequence[str] = ()) -> bytes:
        """Signs data; without a key, leaves it as it is.

        Args:
            data: what is signed.
            context: what the data is, and what else decides about it.
            ids: the ids that go with it.
        """
        if not self._keys:
            return data
        header = ",".join(ids).encode()
        signed = _LENGTH.pack(len(header)) + header + data
        return _SIGNED + _mac(self._keys[0], signed, context) + signed

    def unseal(self, sealed: bytes, context: Sequence[str], what: str) -> tuple[bytes, list[str]]:
        """What was signed, once that has been checked, and the ids that go with it.

        Args:
            sealed: what ``seal`` made, or somebody else.
            context: what was said when it was signed.
            what: what errors call it.

        Raises:
            SignatureError: it is not signed, or was by another key, for another job, or beside other options; or it is
                signed, and there is no key to check that.
        """
        is_signed = sealed[:1] == _SIGNED
        if not self._keys:
            if is_signed:
                raise SignatureError(f"{what} is signed, and no key is known here to check that: set {KEYS_VARIABLE}")
            return sealed, []
        if not is_signed:
            raise SignatureError(f"{what} is not signed, but {KEYS_VARIABLE} is set: whoever wrote it had no key")
        mac, signed = sealed[1 : 1 + _MAC_BYTES], sealed[1 + _MAC_BYTES :]
        if not any(hmac.compare_digest(mac, _mac(key, signed, context)) for key in self._keys):
            raise SignatureError(_misfit(what))
        (length,) = _LENGTH.unpack_from(signed)
        begin = _LENGTH.size
        header = signed[begin : begin + length].decode()
        return signed[begin + length :], header.split(",") if header else []


def _misfit(what: str) -> str:
    return (
        f"{what} bears a signature that does not fit: it was altered, or signed for another job or with other options, "
        f"or with a key that is not among those of {KEYS_VARIABLE} here"
    )


def _mac(key: bytes, signed: bytes, context: Sequence[str]) -> bytes:
    """The signature over the parts of a context and the data. Before each part comes its length: none runs over."""
    mac = hmac.new(key, b"rqdeps 1", hashlib.sha256)
    for part in (*(text.encode() for text in context), signed):
        mac.update(b"%d:" % len(part))
        mac.update(part)
    return mac.digest()


_NO_KEYS: Final = Keyring()


@cache
def _read(keys: str) -> Keyring:
    return Keyring([key for key in re.split(r"[\s,]+", keys) if key])


# Payloads


def options_of(timeout_ms: object, retries: object, retry: object, callbacks: object) -> str:
    """The options that a payload's signature is over, as they are stored: those by which a worker goes.

    Args:
        timeout_ms: how long an attempt may run; ``None`` for the default.
        retries: how often the job is tried again; ``None`` for never.
        retry: when, and after which errors; ``None`` for always at once.
        callbacks: what is called when it has run; ``None`` for nothing. They come first, where options without them
            have a number: so neither reads as the other, whatever somebody has put into the text of ``retry``.
    """
    limit = "" if timeout_ms is None or timeout_ms == "" else timeout_ms
    options = f"{limit}\n{retries or 0}\n{retry or ''}"
    return f"{callbacks}\n{options}" if callbacks else options


def seal_payload(
    payload: bytes, job_id: str, queue: str, function: str, options: str, stands_for: Sequence[str]
) -> bytes:
    """Signs the arguments of a call, if there is a key.

    Args:
        payload: the arguments.
        job_id: the job.
        queue: its queue.
        function: the dotted path of its function.
        options: see ``options_of``.
        stands_for: the jobs that it stands in for if they fail.
    """
    return Keyring.of_environment().seal(payload, ("payload", job_id, queue, function, options), stands_for)


def unseal_payload(payload: bytes, job_id: str, queue: str, function: str, options: str) -> tuple[bytes, list[str]]:
    """The arguments of a call once their signature has been checked, and the jobs that this one stands in for.

    Raises:
        SignatureError: it does not fit, is missing where there is a key, or there is none to check it.
    """
    what = f"the call of job {job_id!r}"
    return Keyring.of_environment().unseal(payload, ("payload", job_id, queue, function, options), what)


# Results


def seal_result(value: bytes, job_ids: Sequence[str]) -> bytes:
    """Signs a result, if there is a key.

    Args:
        value: the result.
        job_ids: the jobs whose result it may be: the one that returned it, and those it stands in for.
    """
    return Keyring.of_environment().seal(value, ("result",), job_ids)


def unseal_result(value: bytes, job_id: str) -> bytes:
    """The result of a job, once its signature has been checked.

    Raises:
        SignatureError: it does not fit, is missing where there is a key, or there is none to check it.
    """
    keys, what = Keyring.of_environment(), f"the result of job {job_id!r}"
    data, job_ids = keys.unseal(value, ("result",), what)
    if keys.signs and job_id not in job_ids:
        raise SignatureError(_misfit(what))
    return data
