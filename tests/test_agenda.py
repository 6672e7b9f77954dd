"""What a worker asks the server next, given what it was told. No horses are forked and nothing is sent here."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator

import fakeredis
import pytest

from rqdeps.store import Store
from rqdeps.store.calls.claims import Claimed, Settled
from rqdeps.worker.agenda import Agenda
from rqdeps.worker.held import Held
from rqdeps.worker.holdings import Holdings
from rqdeps.worker.options import WorkerOptions
from rqdeps.worker.stable import Stable
from rqdeps.worker.upkeep import Upkeep

OPTIONS = WorkerOptions("idle", ["default"], 1, 30_000, False, None)


@pytest.fixture
def agenda() -> Iterator[Agenda]:
    with fakeredis.FakeRedis(server=fakeredis.FakeServer()) as client:
        stable = Stable(1, Store(client), lambda: None)
        upkeep = Upkeep("idle", ["default"], 1, 30_000, lambda messages: None, next_at=math.inf, _next_beat_at=math.inf)
        yield Agenda(OPTIONS, Holdings(stable, 30_000), stable, upkeep)


def hears(agenda: Agenda, *, cascades_left: int) -> None:
    """The reply to a report."""
    settled = Settled(statuses=[], released=[], claimed=[], cascades_left=cascades_left, has_more=False)
    agenda._on_settled(settled, begin=0, looked=True)


def next_script(agenda: Agenda) -> str | None:
    request = agenda.next_request()
    return None if request is None else request[0].script


def test_cascades_that_a_report_left_are_carried_on_though_the_next_left_none(agenda: Agenda):
    hears(agenda, cascades_left=3)
    hears(agenda, cascades_left=0)
    assert next_script(agenda) == "cascade"


def test_cascades_and_reports_take_turns(agenda: Agenda):
    hears(agenda, cascades_left=3)
    asked = []
    for _ in range(4):
        agenda._took_marker = True  # there is always something to claim
        asked.append(next_script(agenda))
        if asked[-1] == "cascade":
            agenda._on_cascaded(2)
        else:
            hears(agenda, cascades_left=0)
    assert asked == ["cascade", "settle", "cascade", "settle"]


def test_upkeep_and_reports_take_turns(agenda: Agenda):
    """Jobs that come without end keep nothing else waiting: else a worker that lives would be taken for dead."""
    agenda._upkeep._next_beat_at = 0.0
    asked = []
    for _ in range(4):
        agenda._took_marker = True  # there is always something to claim
        asked.append(next_script(agenda))
        if asked[-1] == "beat":
            agenda._upkeep._next_beat_at = 0.0  # it is due again
        else:
            hears(agenda, cascades_left=0)
    assert asked == ["beat", "settle", "beat", "settle"]


def test_leases_are_renewed_before_anything_else_is_claimed(agenda: Agenda):
    claim = Claimed("a", "default", 1, 1, 0, 0, "steps.nothing", b"", None, "", False)
    agenda._holdings.ready.append(Held.of(claim, now=time.monotonic() - 20, begins=True))
    agenda._took_marker = True
    assert next_script(agenda) == "renew"
    assert next_script(agenda) == "settle"


def test_no_more_is_asked_for_at_once_than_the_horses_can_wait_for(agenda: Agenda, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(agenda._stable, "capacity", lambda: 500)
    agenda._took_marker = True
    request = agenda.next_request()
    assert request is not None
    _, _, want, *_ = request[0].args
    assert want == 48


def test_all_that_is_wanted_is_asked_for_where_the_way_to_the_server_takes_the_time(
    agenda: Agenda, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(agenda._stable, "capacity", lambda: 500)
    clock = time.monotonic()
    monkeypatch.setattr("rqdeps.worker.agenda.time.monotonic", lambda: clock)
    settled = Settled(statuses=[], released=[], claimed=[], cascades_left=0, has_more=True)
    wanted = []
    for seconds in (0.0, 0.02, 0.0, 0.0):
        agenda._took_marker = True
        request = agenda.next_request()
        assert request is not None
        call, then = request
        wanted.append(call.args[2])
        clock += seconds
        then(settled)
    assert wanted == [48, 48, 500, 48]


def test_once_told_that_none_is_left_it_carries_on_no_more(agenda: Agenda):
    hears(agenda, cascades_left=3)
    agenda._on_cascaded(0)
    assert agenda._carry_on_cascades() is None
