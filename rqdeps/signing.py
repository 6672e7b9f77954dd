"""Signatures: they tell what came from somebody who has the key from what anybody wrote who can write to the server.

A signed payload or result is ``s``, 32 bytes of HMAC-SHA256, and what was signed. The signature is over what it is, for
which job, and all that decides what is run and how: so it can't be used for another job, nor beside other options.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import re
from collections.abc import Sequence
from functools import cache
from typing import Final

from rqdeps.errors import RqdepsError

#: Where the keys are: the first signs, all are accepted. Commas or blanks stand between them.
KEYS_VARIABLE: Final = "RQDEPS_SIGNING_KEY"

#: How many characters a key has at least: a key that can be guessed protects nothing.
SHORTEST_KEY: Final = 32

_SIGNED: Final = b"s"
_MAC_BYTES: Final = 32


class SignatureError(RqdepsError):
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
        return _read(os.environ.get(KEYS_VARIABLE, ""))

    @property
    def signs(self) -> bool:
        """Whether there is a key, so that everything is signed, and nothing else is accepted."""
        return bool(self._keys)

    def seal(self, data: bytes, context: Sequence[str]) -> bytes:
        """Signs data; without a key, leaves it as it is.

        Args:
            data: what is signed.
            context: what the data is, for which job, and what else decides about it.
        """
        return _SIGNED + _mac(self._keys[0], data, context) + data if self._keys else data

    def unseal(self, sealed: bytes, context: Sequence[str]) -> bytes:
        """What was signed, once that has been checked.

        Args:
            sealed: what ``seal`` made, or somebody else.
            context: what was said when it was signed.

        Raises:
            SignatureError: it is not signed, or was by another key, for another job, or beside other options; or it is
                signed, and there is no key to check that.
        """
        is_signed = sealed[:1] == _SIGNED
        what = f"the {context[0]} of job {context[1]!r}"
        if not self._keys:
            if is_signed:
                raise SignatureError(f"{what} is signed, and no key is known here to check that: set {KEYS_VARIABLE}")
            return sealed
        if not is_signed:
            raise SignatureError(f"{what} is not signed, but {KEYS_VARIABLE} is set: whoever wrote it had no key")
        mac, data = sealed[1 : 1 + _MAC_BYTES], sealed[1 + _MAC_BYTES :]
        if not any(hmac.compare_digest(mac, _mac(key, data, context)) for key in self._keys):
            raise SignatureError(
                f"{what} bears a signature that does not fit: it was altered, or signed for another job or with other "
                f"options, or with a key that is not among those of {KEYS_VARIABLE} here"
            )
        return data


def _mac(key: bytes, data: bytes, context: Sequence[str]) -> bytes:
    """The signature over the parts of a context and the data. Before each part comes its length: none runs over."""
    mac = hmac.new(key, b"rqdeps 1", hashlib.sha256)
    for part in (*(text.encode() for text in context), data):
        mac.update(b"%d:" % len(part))
        mac.update(part)
    return mac.digest()


@cache
def _read(keys: str) -> Keyring:
    return Keyring([key for key in re.split(r"[\s,]+", keys) if key])


def payload_context(job_id: str, queue: str, function: str, options: Sequence[str]) -> Sequence[str]:
    """What the signature of a payload is over, beside the payload.

    Args:
        job_id: the job.
        queue: its queue.
        function: the dotted path of its function.
        options: those by which a worker goes, as they are stored: its time limit, number and kind of retries.
    """
    return ("payload", job_id, queue, function, *options)


def result_context(job_id: str) -> Sequence[str]:
    """What the signature of a result is over, beside the result: of which job it is."""
    return ("result", job_id)
