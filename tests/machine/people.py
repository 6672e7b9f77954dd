"""People who change their minds: about jobs, and about queues."""

from __future__ import annotations

from typing import Any, TypeVar

import pytest
from hypothesis import note
from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from machine.base import LONG, QUEUES, picks
from machine.graphs import Graphs
from rqdeps.dependency import RULES, Rule
from rqdeps.lineage import refuse_circle
from rqdeps.store import Call
from rqdeps.store.calls import changes, reads
from rqdeps.store.calls.changes import Requeued

T = TypeVar("T")


#: How a change is made, and to which jobs.
A_CHANGE: dict[str, st.SearchStrategy[Any]] = {
    "which": st.lists(picks, min_size=2, max_size=3),
    "policy": st.sampled_from(["cancel", "release", "delete"]),
    "queue": st.sampled_from(["", "", *QUEUES]),
    "group_rule": st.sampled_from(RULES),
    "twice": st.booleans(),
    "all_members": st.booleans(),
}


class People(Graphs):
    def expect(self, call: Call[T], change: Any, *, twice: bool) -> T | None:
        """Makes a call that is refused just when the model refuses the change. Returns its result, or nothing."""
        try:
            change()
        except Exception as error:
            with pytest.raises(type(error)):
                self.run(call)
            self.follow(at_most=0)
            return None
        result = self.run(call)
        if twice:
            self.run(call.again())
        return result

    @precondition(lambda self: self.model.jobs)
    @rule(
        what=st.sampled_from(
            ["cancel", "delete", "requeue", "requeue", "force", "skip", "release", "add", "add", "revive"]
        ),
        **A_CHANGE,
    )
    def change(self, what: str, which: list[int], **how: Any) -> None:
        self.change_these(what, [self.pick(self.candidates(what), pick) for pick in which], which[0], **how)

    @precondition(lambda self: any(job.has_run for job in self.model.jobs.values()))
    @rule(
        what=st.sampled_from(["cancel", "cancel", "delete", "requeue", "force", "skip", "revive"]),
        order=st.permutations([0, 1, 2]),
        **A_CHANGE,
    )
    def change_what_joins(self, what: str, which: list[int], order: list[int], **how: Any) -> None:
        """A change of a job that joins others, or of what it joins, or both."""
        first = self.pick([job for job in self.model.jobs.values() if job.has_run], which[0])
        joined = [job_id for job_id in first.joined if job_id in self.model.jobs] or [first.id]
        job_ids = [first.id, self.pick(joined, which[1]), self.pick(joined, which[-1])]
        self.change_these(what, [job_ids[place] for place in order], which[0], **how)

    def change_these(
        self,
        what: str,
        job_ids: list[str],
        number: int,
        *,
        policy: Any,
        queue: str,
        group_rule: Rule,
        twice: bool,
        all_members: bool,
    ) -> None:
        note(f"{what} {job_ids}")
        if what in ("cancel", "delete"):
            policy = "" if what == "cancel" else policy
            self.change_several(job_ids[: number % 2 + 1], policy, twice=twice, all_members=all_members)
        elif what == "revive":
            left, revived = self.run(changes.revive(job_ids))
            assert revived == self.model.revive(job_ids)
            self.follow(left=left)
        elif what == "add":
            self.add_dependency(job_ids[0], list(dict.fromkeys(job_ids[1:])), group_rule, twice=twice)
        else:
            self.change_one(what, job_ids, queue, twice=twice)

    def change_one(self, what: str, job_ids: list[str], queue: str, *, twice: bool) -> None:
        job_id = job_ids[0]
        call, change = {
            "requeue": (
                changes.requeue(job_id, force=False, at_front=twice),
                lambda: self.model.requeue(job_id, force=False),
            ),
            "force": (
                changes.requeue(job_id, force=True, at_front=twice),
                lambda: self.model.requeue(job_id, force=True),
            ),
            "skip": (changes.skip(job_id, b"jnull", LONG), lambda: self.model.skip(job_id, b"jnull")),
            "release": (changes.release(job_ids, queue=queue), lambda: self.model.release(job_ids, queue)),
        }[what]
        result = self.expect(call, change, twice=twice)
        if result is not None:
            self.follow(left=result.cascades_left if isinstance(result, Requeued) else result)

    def candidates(self, what: str) -> list[str]:
        """Jobs with which something can be done, if there are some; else all."""
        fitting = {
            "requeue": [job.id for job in self.model.jobs.values() if job.has_ended or job.has_run],
            "force": [job.id for job in self.model.jobs.values() if job.has_ended],
            "revive": [job.id for job in self.model.jobs.values() if job.has_ended or job.has_run],
            "release": [job.id for job in self.model.jobs.values() if job.is_held],
            "add": [job.id for job in self.model.jobs.values() if job.attempt == 0],
        }
        return fitting.get(what) or list(self.model.jobs)

    def change_several(self, job_ids: list[str], policy: Any, *, twice: bool, all_members: bool) -> None:
        if policy:
            changed = self.run(call := changes.delete(job_ids, policy, members=all_members))
            found = [self.model.delete(job_id, policy, members=all_members) for job_id in job_ids]
        else:
            changed = self.run(call := changes.cancel(job_ids, clean_up=not all_members))
            found = [self.model.cancel(job_id, clean_up=not all_members) for job_id in job_ids]
        assert changed.found == found
        if twice:
            self.run(call.again())
        self.follow(left=changed.cascades_left)

    def add_dependency(self, job_id: str, dependency_ids: list[str], group_rule: Rule, *, twice: bool) -> None:
        call = changes.add_dependency(job_id, dependency_ids, rule=group_rule)
        try:
            added = self.run(call)
            if added.search is not None:  # too much for one call
                self.store.perform(refuse_circle(job_id, dependency_ids))
                call = changes.add_dependency(job_id, dependency_ids, rule=group_rule, state=added.search)
                added = self.run(call)
                assert added.search is None
        except Exception as error:
            with pytest.raises(type(error)):
                self.model.add_dependency(job_id, dependency_ids, group_rule)
            self.follow(at_most=0)
            return
        if twice:
            self.run(call.again())
        self.model.add_dependency(job_id, dependency_ids, group_rule)
        self.follow(left=added.cascades_left)

    @rule(queue=st.sampled_from(QUEUES))
    def pause_or_resume(self, queue: str) -> None:
        pauses = queue not in self.model.paused
        assert self.run(changes.pause(queue, pauses=pauses))
        assert not self.run(changes.pause(queue, pauses=pauses))
        self.model.paused ^= {queue}
        assert self.run(reads.is_paused(queue)) == pauses

    @rule(queue=st.sampled_from(QUEUES), most=st.sampled_from([None, 1, 1, 2, 3]))
    def limit(self, queue: str, most: int | None) -> None:
        cursor = self.run(changes.limit(queue, most))
        while cursor != b"0":
            cursor = self.run(changes.limit(queue, most, cursor))
        self.model.limit(queue, most)
        self.follow(at_most=0)
