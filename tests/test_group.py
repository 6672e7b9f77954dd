"""Groups of jobs under a name."""

from __future__ import annotations

import pytest
import samples
from by_hand import HandWorker
from redis import Redis

from rqdeps import Job, Queue
from rqdeps.errors import NoSuchGroupError
from rqdeps.group import Group
from rqdeps.store.calls import groups
from rqdeps.store.scripts import BUDGET


def test_a_group_lists_its_jobs_in_the_order_in_which_they_came(q: Queue, connection: Redis) -> None:
    group = Group.create(connection, "pack")
    assert (group.get_jobs(), Group.all(connection)) == ([], [])
    first = group.enqueue_many(q, [q.prepare_data(samples.anything) for _ in range(3)])
    more = group.enqueue_many(Queue("other", connection=connection), [Job.create(samples.anything)])
    alone = q.enqueue(samples.anything)
    assert Group.fetch("pack", connection).get_jobs() == [*first, *more]
    assert [each.name for each in Group.all(connection)] == ["pack"]
    assert (first[0].group_id, alone.group_id) == ("pack", None)
    assert group.cleanup() is None  # type: ignore[func-returns-value]


def test_a_group_goes_with_its_last_job(q: Queue, hands: HandWorker, connection: Redis) -> None:
    group = Group(connection, "pack")
    jobs = group.enqueue_many(q, [q.prepare_data(samples.anything) for _ in range(3)])
    jobs[0].delete()
    group.delete_job(jobs[1].id)
    group.delete_job("nobody")
    assert (group.get_jobs(), jobs[1].get_status(), jobs[1].group_id) == ([jobs[2]], "queued", None)
    jobs[2].delete()
    assert Group.all(connection) == []
    with pytest.raises(NoSuchGroupError, match="there is no group 'pack': it was never filled"):
        Group.fetch("pack", connection)


def test_large_groups_are_enqueued_and_listed_in_pieces(
    q: Queue, connection: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(groups, "PAGE", 100)
    jobs = q.enqueue_many([q.prepare_data(samples.anything) for _ in range(BUDGET)], group_id="large")
    assert Group(connection, "large").get_jobs() == jobs
    q.empty()
    assert Group.all(connection) == []


def test_names_that_cannot_be_are_refused(q: Queue, connection: Redis) -> None:
    for wrong in ("a b", "x" * 65, "ä"):
        with pytest.raises(ValueError, match="can't be a group's name"):
            Group(connection, wrong)
        with pytest.raises(ValueError, match="can't be a group's name"):
            q.enqueue_many([q.prepare_data(samples.anything)], group_id=wrong)
    assert len(Group(connection).name) == 32
    assert repr(Group(connection, "pack")) == "Group('pack')"
