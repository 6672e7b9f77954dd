"""Secret arguments: encrypted on the server, hidden in whatever is told of their job."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from typing import Any

import codecs_of_tests as own
import pytest
import steps
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from models import Color, Point
from redis import Redis

import rqdeps.secret
from rqdeps import Job, JobFailedError, Queue, Secret, SimpleWorker, Worker, Workflow
from rqdeps.cli import main
from rqdeps.codec import Codec
from rqdeps.errors import SerializationError
from rqdeps.secret import HiddenSecret, OpenedSecrets
from rqdeps.signing import KEYS_VARIABLE

KEY, OLD = "k" * 32, "o" * 32
PASSWORD = "hunter2-and-more"

Work = Callable[..., None]


@pytest.fixture(params=[Worker, SimpleWorker])
def work(request: pytest.FixtureRequest, valkey: Redis) -> Work:
    """Runs what is queued, in processes or in this one."""
    return lambda: request.param("default", connection=valkey).work(burst=True)


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv(KEYS_VARIABLE, KEY)
    return KEY


@pytest.fixture
def q(valkey: Redis) -> Queue:
    return Queue(connection=valkey)


def everything_stored(client: Redis) -> bytes:
    """All keys and values, in one text."""
    found = []
    for key in client.scan_iter():
        kind = client.type(key)
        read: dict[bytes, Callable[[], Any]] = {
            b"string": lambda key=key: client.get(key),
            b"hash": lambda key=key: client.hgetall(key),
            b"list": lambda key=key: client.lrange(key, 0, -1),
            b"set": lambda key=key: client.smembers(key),
            b"zset": lambda key=key: client.zrange(key, 0, -1),
        }
        found.append(repr(read[kind]()).encode())
    return b"\n".join(found)


# In JSON

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.binary() | st.floats(allow_nan=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3) | st.tuples(inner),
    max_leaves=6,
)


@given(values)
def test_a_worker_gets_what_was_marked_and_a_program_does_not(value: Any) -> None:
    codec = Codec.of_environment()
    payload, outputs = codec.encode_call((Secret(value),), {"named": [Secret(value)]})
    assert not outputs
    assert codec.for_worker().decode_call(payload, lambda output: output) == ((value,), {"named": [value]})
    (hidden,), _ = codec.decode_call(payload, lambda output: output)
    assert isinstance(hidden, HiddenSecret)
    again, _ = codec.encode_call((hidden,), {})
    assert codec.for_worker().decode_call(again, lambda output: output) == ((value,), {})


def test_nothing_of_a_secret_shows_in_bytes_or_repr() -> None:
    marked = Secret(PASSWORD)
    payload, _ = Codec.of_environment().encode_call((marked,), {})
    (hidden,), _ = Codec.of_environment().decode_call(payload, lambda output: output)
    for shown in (payload.decode(), repr(marked), str(marked), f"{marked}", repr(hidden)):
        assert "hunter2" not in shown


def test_secrets_of_an_earlier_key_can_be_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KEYS_VARIABLE, OLD)
    payload, _ = Codec.of_environment().encode_call((Secret(1),), {})
    monkeypatch.setenv(KEYS_VARIABLE, f"{KEY},{OLD}")
    assert Codec.of_environment().for_worker().decode_call(payload, lambda output: output) == ((1,), {})
    monkeypatch.setenv(KEYS_VARIABLE, KEY)
    with pytest.raises(SerializationError, match=f"can't be read with any of the keys in {KEYS_VARIABLE}"):
        Codec.of_environment().for_worker().decode_call(payload, lambda output: output)


def test_without_a_key_a_secret_is_refused_and_names_its_place(q: Queue, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(KEYS_VARIABLE)
    with pytest.raises(SerializationError, match=rf'argument 1\["a"\] is secret: .* set {KEYS_VARIABLE}') as caught:
        q.enqueue(steps.echo, {"a": Secret(PASSWORD)})
    assert "hunter2" not in str(caught.value)


def test_without_the_package_a_secret_is_refused(q: Queue, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cryptography.fernet", None)
    with pytest.raises(SerializationError, match=r"pip install 'rqdeps\[crypto\]'"):
        q.enqueue(steps.echo, Secret(PASSWORD))


def test_an_output_can_not_be_secret(q: Queue) -> None:
    job = q.enqueue(steps.nothing)
    with pytest.raises(TypeError, match=r"return Secret\(...\) from the job"):
        Secret(job.output)
    with pytest.raises(SerializationError, match="is secret and holds an output"):
        q.enqueue(steps.echo, Secret([job.output]))


@pytest.mark.parametrize("serializer", ["pickle", own.backwards])
def test_other_serializers_carry_no_secrets(valkey: Redis, serializer: Any) -> None:
    with pytest.raises(SerializationError, match=r"a Secret.* is carried by JSON only, encrypted"):
        Queue(connection=valkey, serializer=serializer).enqueue(steps.echo, [Secret(PASSWORD)])


# In jobs


def test_the_function_gets_the_secret_and_nobody_else(
    q: Queue, work: Work, valkey_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    job = q.enqueue(steps.length, Secret(PASSWORD), retry=1)
    with caplog.at_level(logging.DEBUG):
        work()
    assert job.result == len(PASSWORD)
    assert repr(job.args) == "(<secret>,)"
    assert job.description == "steps.length(<secret>)"
    shown = CliRunner().invoke(main, ["job", job.id, "--url", valkey_url])
    assert "steps.length(<secret>)" in shown.output
    for text in (everything_stored(q.store.client).decode(), shown.output, caplog.text):
        assert "hunter2" not in text


def test_what_a_job_tells_of_its_secret_is_hidden(
    q: Queue, work: Work, valkey_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    job = q.enqueue(steps.betray, Secret(PASSWORD))
    nested = q.enqueue(steps.betray, {"user": "me", "password": Secret({"text": PASSWORD})})
    with caplog.at_level(logging.DEBUG):
        work()
    for each in (job, nested):
        assert each.is_failed
        assert "***" in each.attempts[-1].message
        assert "***" in (each.exc_info or "")
        assert "***" in each.log_lines()[-1].text
        assert "***" in str(each.get_progress())
        with pytest.raises(JobFailedError) as caught:
            each.wait(timeout=1)
        assert "hunter2" not in str(caught.value)
    shown = CliRunner().invoke(main, ["job", job.id, "--url", valkey_url])
    for text in (everything_stored(q.store.client).decode(), shown.output, caplog.text):
        assert "hunter2" not in text


def test_a_secret_that_is_returned_marked_stays_one(q: Queue, work: Work) -> None:
    job = q.enqueue(steps.return_secret, PASSWORD[:3], PASSWORD[3:])
    taking = q.enqueue(steps.length, job.output)
    work()
    assert repr(job.result) == "<secret>"
    assert taking.result == len(PASSWORD)
    assert "hunter2" not in everything_stored(q.store.client).decode()


def test_a_map_passes_secrets_on_unopened(q: Queue, work: Work) -> None:
    with Workflow(queue=q) as workflow:
        lengths = workflow.map(steps.length, [Secret(PASSWORD), Secret(PASSWORD * 2)])
    failing = q.enqueue(steps.boom, Secret(PASSWORD), fallback=steps.length)
    work()
    assert lengths.result == [len(PASSWORD), 2 * len(PASSWORD)]
    failing.refresh()
    assert Job.fetch(failing.fallback_id or "", q.store.client).result == len(PASSWORD)
    assert "hunter2" not in everything_stored(q.store.client).decode()


# Hiding


def test_texts_inside_of_secrets_are_hidden_in_every_form_that_python_prints() -> None:
    secrets = OpenedSecrets()
    secrets.note({"key": [PASSWORD, b"bytes-of-it", ("line\nbreak", 123456, None, True)]})
    text = f"{PASSWORD!r} {b'bytes-of-it'!r} {'line' + chr(10) + 'break'!r} line\nbreak 123456 None True key"
    assert secrets.hide(text) == "'***' b'***' '***' *** *** None True key"


def test_of_secrets_inside_each_other_the_longer_one_is_hidden_whole() -> None:
    secrets = OpenedSecrets()
    secrets.note(["pass", "password"])
    assert secrets.hide("password pass") == "*** ***"


def test_short_secrets_do_not_make_everything_illegible() -> None:
    secrets = OpenedSecrets()
    secrets.note(["", "a", 1, None])
    assert secrets.hide("a banana, 1") == "a banana, 1"


def test_the_key_that_encrypts_is_not_the_one_that_signs() -> None:
    assert rqdeps.secret._derive(KEY.encode()) != KEY.encode()


def test_secrets_are_found_in_dataclasses_enums_and_lines() -> None:
    secrets = OpenedSecrets()
    secrets.note([Point("first-one", Color.RED), "line one\nline two", "a/b c?d"])
    assert secrets.hide("  | line two") == "  | ***"
    assert secrets.hide("first-one a%2Fb%20c%3Fd") == "*** ***"
