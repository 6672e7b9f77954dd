"""What the supervisor's loop does first. No horses are forked and nothing is sent here."""

from __future__ import annotations

import time

import fakeredis
import pytest

from rqdeps.store import Store
from rqdeps.store.calls.claims import Claimed
from rqdeps.worker.held import Held
from rqdeps.worker.options import WorkerOptions
from rqdeps.worker.supervisor import Supervisor


@pytest.mark.parametrize(("ready", "first"), [(1, "give"), (30, "settle")])
def test_the_server_is_asked_before_many_jobs_are_handed_out(monkeypatch: pytest.MonkeyPatch, ready: int, first: str):
    """What an idle horse waits for comes first."""
    done: list[str] = []
    supervisor = Supervisor(
        Store(fakeredis.FakeRedis(server=fakeredis.FakeServer())),
        WorkerOptions("idle", ["default"], 1, 30_000, False, None),
    )
    claim = Claimed("a", "default", 1, 1, 0, 0, "steps.nothing", b"", None, "", False)
    supervisor._holdings.ready.extend(Held.of(claim, now=time.monotonic(), begins=True) for _ in range(ready))
    monkeypatch.setattr(type(supervisor._stable), "idle", 1)
    monkeypatch.setattr(supervisor._stable, "capacity", lambda: 100)
    monkeypatch.setattr(supervisor._stable, "give", lambda jobs: done.append("give") or [])
    monkeypatch.setattr(supervisor, "_talk", lambda: done.append("settle"))
    monkeypatch.setattr(supervisor, "_wait", supervisor._signals.stop)
    monkeypatch.setattr(supervisor, "_keep_horses", lambda: None)
    monkeypatch.setattr(supervisor, "_say_goodbye", lambda: None)
    supervisor.run()
    assert done[:2] == sorted(["give", "settle"], key=first.__ne__)
