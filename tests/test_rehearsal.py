"""A job that does nothing, and leaves nothing."""

from __future__ import annotations

import signal

import fakeredis
import pytest

from rqdeps import get_current_job
from rqdeps.signing import KEYS_VARIABLE
from rqdeps.store import Store
from rqdeps.worker.rehearsal import rehearse


@pytest.mark.parametrize("key", ["", "k" * 32])
def test_it_goes_as_with_a_job_and_leaves_nothing(monkeypatch: pytest.MonkeyPatch, key: str) -> None:
    monkeypatch.setenv(KEYS_VARIABLE, key)
    connection = fakeredis.FakeRedis()
    before = signal.getsignal(signal.SIGALRM), signal.getitimer(signal.ITIMER_REAL)[1]
    assert rehearse(Store(connection)).kind == "returned"
    assert get_current_job() is None
    assert (signal.getsignal(signal.SIGALRM), signal.getitimer(signal.ITIMER_REAL)[1]) == before
    assert connection.keys() == []
