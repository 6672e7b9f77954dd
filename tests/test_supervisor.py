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


def test_once_told_that_none_is_left_it_carries_on_no_more(supervisor: Supervisor):
    hears(supervisor, cascades_left=3)
    supervisor._on_cascaded(0)
    assert supervisor._carry_on_cascades() is None
