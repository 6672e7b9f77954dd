"""Signatures as such: what they are over, and with which keys they are accepted."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rqdeps.signing import KEYS_VARIABLE, Keyring, SignatureError, payload_context, result_context

OLD, NEW, OTHER = "old" * 11, "new" * 11, "other" * 7
CONTEXT = payload_context("a", "default", "tasks.report", ["", "3", ""])

texts = st.text(max_size=5)


def test_what_is_sealed_is_unsealed_with_the_same_key_and_context() -> None:
    keys = Keyring([NEW])
    sealed = keys.seal(b"j[]", CONTEXT)
    assert sealed != b"j[]"
    assert b"j[]" in sealed
    assert keys.unseal(sealed, CONTEXT) == b"j[]"


@given(st.binary(max_size=40), st.lists(texts, min_size=2, max_size=6), st.lists(texts, min_size=2, max_size=6))
def test_a_signature_fits_no_other_context(data: bytes, context: list[str], other: list[str]) -> None:
    keys = Keyring([NEW])
    sealed = keys.seal(data, context)
    assert keys.unseal(sealed, context) == data
    if other != context:
        with pytest.raises(SignatureError, match="does not fit"):
            keys.unseal(sealed, other)


@given(st.binary(max_size=40), st.integers(min_value=0), st.integers(min_value=1, max_value=255))
def test_an_altered_byte_is_noticed(data: bytes, place: int, change: int) -> None:
    keys = Keyring([NEW])
    sealed = bytearray(keys.seal(data, CONTEXT))
    sealed[place % len(sealed)] ^= change
    with pytest.raises(SignatureError):
        keys.unseal(bytes(sealed), CONTEXT)


def test_neither_the_parts_of_a_context_nor_the_data_run_over_into_each_other() -> None:
    keys = Keyring([NEW])
    sealed = keys.seal(b"cd", ["result", "ab"])
    for context, data in ((["result", "a"], b"bcd"), (["result", "abc"], b"d"), (["resulta", "b"], b"cd")):
        with pytest.raises(SignatureError):
            keys.unseal(sealed[:33] + data, context)


def test_the_first_key_signs_and_all_are_accepted() -> None:
    before, rotating, after = Keyring([OLD]), Keyring([NEW, OLD]), Keyring([NEW])
    assert rotating.unseal(before.seal(b"x", CONTEXT), CONTEXT) == b"x"
    assert after.unseal(rotating.seal(b"x", CONTEXT), CONTEXT) == b"x"
    with pytest.raises(SignatureError, match="a key that is not among those"):
        after.unseal(before.seal(b"x", CONTEXT), CONTEXT)


def test_with_a_key_nothing_unsigned_is_accepted() -> None:
    with pytest.raises(SignatureError, match="the result of job 'a' is not signed"):
        Keyring([NEW]).unseal(b"j1", result_context("a"))


def test_without_a_key_nothing_is_signed_and_what_is_signed_is_refused() -> None:
    keys = Keyring()
    assert not keys.signs
    assert keys.seal(b"j1", CONTEXT) == keys.unseal(b"j1", CONTEXT) == b"j1"
    with pytest.raises(SignatureError, match=f"set {KEYS_VARIABLE}"):
        keys.unseal(Keyring([NEW]).seal(b"j1", CONTEXT), CONTEXT)


def test_a_cut_signature_is_refused() -> None:
    keys = Keyring([NEW])
    for length in range(1, 33):
        with pytest.raises(SignatureError):
            keys.unseal(keys.seal(b"", CONTEXT)[:length], CONTEXT)


def test_keys_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KEYS_VARIABLE, f" {NEW},{OLD}\n{OTHER} ")
    sealed = Keyring.of_environment().seal(b"x", CONTEXT)
    assert sealed == Keyring([NEW]).seal(b"x", CONTEXT)
    for key in (OLD, OTHER):
        assert Keyring.of_environment().unseal(Keyring([key]).seal(b"x", CONTEXT), CONTEXT) == b"x"
    monkeypatch.delenv(KEYS_VARIABLE)
    assert not Keyring.of_environment().signs


def test_a_key_that_could_be_guessed_is_refused_without_being_shown() -> None:
    with pytest.raises(ValueError, match=f"has 32 characters or more, and one of {KEYS_VARIABLE} has 6") as caught:
        Keyring([NEW, "secret"])
    assert "secret'" not in str(caught.value)


def test_keys_are_not_shown() -> None:
    assert NEW not in repr(Keyring([NEW])) + str(Keyring([NEW]))
