"""What a supervisor asks for next, given what it was told. No horses are forked and nothing is sent here."""

from __future__ import annotations

from collections.abc import Iterator

import fakeredis
import pytest

from rqdeps.store import Store
from rqdeps.store.calls.claims import Settled
from rqdeps.worker.options import WorkerOptions
from rqdeps.worker.supervisor import Supervisor


@pytest.fixture
def supervisor() -> Iterator[Supervisor]:
    with fakeredis.FakeRedis(server=fakeredis.FakeServer()) as client:
        yield Supervisor(Store(client), WorkerOptions("idle", ["default"], 1, 30_000, False, None))


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


def test_once_told_that_none_is_left_it_carries_on_no_more(supervisor: Supervisor):
    hears(supervisor, cascades_left=3)
    supervisor._on_cascaded(0)
    assert supervisor._carry_on_cascades() is None
