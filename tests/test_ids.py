"""Ids of jobs, which sort by time and never meet, and what an id or the name of a queue can be."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from rqdeps import ids
from rqdeps.ids import check_id, check_queue_name, new_id

FORK = """
import os
from rqdeps.ids import new_id

new_id()
if os.fork() == 0:
    print(new_id(), flush=True)
    os._exit(0)
os.wait()
print(new_id())
"""


def test_an_id_has_16_letters_and_digits():
    assert len(new_id()) == 16
    assert new_id().isascii()
    assert new_id().isalnum()
    assert check_id(new_id())


def test_ids_sort_in_the_order_they_were_made():
    made = [new_id() for _ in range(20_000)]
    assert sorted(set(made)) == made


def test_ids_keep_their_order_when_the_clock_goes_backwards(monkeypatch: pytest.MonkeyPatch):
    now = time.time_ns() + 10**12
    clock: Iterator[int] = iter([now, now, now - 10**10, now - 10**9, now + 10**9])
    monkeypatch.setattr(time, "time_ns", lambda: next(clock))
    generator = ids._Ids()
    made = [generator.next() for _ in range(5)]
    assert sorted(set(made)) == made


def test_ids_go_on_when_a_clock_stands_still_for_very_long(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(time, "time_ns", lambda: 1_700_000_000_000_000_000)
    generator = ids._Ids()
    made = [generator.next()]
    generator.count = 62**4 - 3
    made += [generator.next() for _ in range(5)]
    assert sorted(set(made)) == made
    assert {len(one) for one in made} == {16}


def test_ids_of_machines_that_make_them_at_the_same_moment_differ(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(time, "time_ns", lambda: 1_700_000_000_000_000_000)
    made = {ids._Ids().next() for _ in range(1_000)}
    assert len(made) == 1_000
    assert len({one[:6] for one in made}) == 1, "the beginning is the time"


def test_a_forked_process_makes_ids_of_its_own():
    printed = subprocess.run([sys.executable, "-c", FORK], capture_output=True, text=True, check=True).stdout.split()
    assert len(set(printed)) == 2


@pytest.mark.parametrize("job_id", ["a", "A-b_c.9", ".", "-", "0", "x" * 64])
def test_an_id_of_ones_own_may_have_letters_digits_and_three_signs(job_id: str):
    assert check_id(job_id) == job_id


@pytest.mark.parametrize("job_id", ["", "a b", "a:b", "ü", "a\n", "@", "a/b", "*", "{a}", "\ud800", "x" * 65])
def test_other_ids_are_refused(job_id: str):
    with pytest.raises(ValueError, match="can't be a job's id: it is 1 to 64 letters, digits, underscores, dots"):
        check_id(job_id)


@pytest.mark.parametrize("job_id", [None, 5, b"abc", True, 1.5, ["a"]])
def test_what_is_no_text_is_no_id(job_id: object):
    with pytest.raises(TypeError, match=rf"a job's id is a str, not {type(job_id).__name__}"):
        check_id(job_id)


@pytest.mark.parametrize("name", ["default", "ü", "a:b", "a,b", "{x}", "*?[a]", "🎉" * 16, "-", "x" * 64])
def test_the_name_of_a_queue_may_be_any_text_without_white_space(name: str):
    assert check_queue_name(name) == name


@pytest.mark.parametrize("name", ["", " ", "a b", "a\tb", "a\n", "a\xa0b", "\0", "\ud800", "x" * 65, "ü" * 33])
def test_other_names_of_queues_are_refused(name: str):
    with pytest.raises(
        ValueError, match="can't be a queue's name: names are 1 to 64 bytes of text without white space"
    ):
        check_queue_name(name)


@pytest.mark.parametrize("name", [None, 5, b"default", object(), ["default"]])
def test_what_is_no_text_is_no_name(name: object):
    with pytest.raises(TypeError, match=rf"a queue's name is a str, not {type(name).__name__}"):
        check_queue_name(name)
