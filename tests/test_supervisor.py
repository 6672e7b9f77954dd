"""What a supervisor asks for next, given what it was told. No horses are forked and nothing is sent here."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator

import fakeredis
import pytest

from rqdeps.store import Store
from rqdeps.store.calls.claims import Claimed, Settled
from rqdeps.worker.held import Held
from rqdeps.worker.options import WorkerOptions
from rqdeps.worker.supervisor import Supervisor


@pytest.fixture
def supervisor() -> Iterator[Supervisor]:
    with fakeredis.FakeRedis(server=fakeredis.FakeServer()) as client:
        supervisor = Supervisor(Store(client), WorkerOptions("idle", ["default"], 1, 30_000, False, None))
        supervisor._upkeep._next_beat_at = supervisor._upkeep.next_at = math.inf
        yield supervisor


def hears(supervisor: Supervisor, *, cascades_left: int) -> None:
    """The reply to a report."""
    settled = Settled(statuses=[], released=[], claimed=[], cascades_left=cascades_left, has_more=False)
    supervisor._on_settled(settled, begin=0, looked=True)


def next_script(supervisor: Supervisor) -> str | None:
    request = supervisor._next_request()
    return None if request is None else request[0].script


def test_cascades_that_a_report_left_are_carried_on_though_the_next_left_none(supervisor: Supervisor):
    hears(supervisor, cascades_left=3)
    hears(supervisor, cascades_left=0)
    assert next_script(supervisor) == "cascade"


def test_cascades_and_reports_take_turns(supervisor: Supervisor):
    hears(supervisor, cascades_left=3)
    asked = []
    for _ in range(4):
        supervisor._took_marker = True  # there is always something to claim
        asked.append(next_script(supervisor))
        if asked[-1] == "cascade":
            supervisor._on_cascaded(2)
        else:
            hears(supervisor, cascades_left=0)
    assert asked == ["cascade", "settle", "cascade", "settle"]


def test_upkeep_and_reports_take_turns(supervisor: Supervisor):
    """Jobs that come without end keep nothing else waiting: else a worker that lives would be taken for dead."""
    supervisor._upkeep._next_beat_at = 0.0
    asked = []
    for _ in range(4):
        supervisor._took_marker = True  # there is always something to claim
        asked.append(next_script(supervisor))
        if asked[-1] == "beat":
            supervisor._upkeep._next_beat_at = 0.0  # it is due again
        else:
            hears(supervisor, cascades_left=0)
    assert asked == ["beat", "settle", "beat", "settle"]


def test_leases_are_renewed_before_anything_else_is_claimed(supervisor: Supervisor):
    claim = Claimed("a", "default", 1, 1, 0, 0, "steps.nothing", b"", None, "", False)
    supervisor._holdings.ready.append(Held.of(claim, now=time.monotonic() - 20, begins=True))
    supervisor._took_marker = True
    assert next_script(supervisor) == "renew"
    assert next_script(supervisor) == "settle"


def test_no_more_is_asked_for_at_once_than_the_horses_can_wait_for(
    supervisor: Supervisor, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(supervisor._stable, "capacity", lambda: 500)
    supervisor._took_marker = True
    request = supervisor._next_request()
    assert request is not None
    _, _, want, *_ = request[0].args
    assert want == 48


@pytest.mark.parametrize(("ready", "first"), [(1, "give"), (30, "settle")])
def test_the_server_is_asked_before_many_jobs_are_handed_out(
    supervisor: Supervisor, monkeypatch: pytest.MonkeyPatch, ready: int, first: str
):
    """What an idle horse waits for comes first."""
    done: list[str] = []
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


def test_once_told_that_none_is_left_it_carries_on_no_more(supervisor: Supervisor):
    hears(supervisor, cascades_left=3)
    supervisor._on_cascaded(0)
    assert supervisor._carry_on_cascades() is None
