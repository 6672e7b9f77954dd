"""A program that uses all that there is for programs, on ``Queue`` or on ``AsyncQueue``, and notes what it is told.

It is the same each time it runs, so two runs can be compared.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import growing
import steps

from rqdeps import AsyncJob, AsyncQueue, AsyncWorkflow, Job, Workflow
from rqdeps.doctor.data_facts import data_facts
from rqdeps.errors import DependencyCycleError, NoSuchJobError, UpstreamFailedError
from rqdeps.finding import Found, JobFilter, find
from rqdeps.store import Conversation
from rqdeps.store.calls import checkups, claims, finding, groups, inbox
from rqdeps.store.calls.call import Call
from rqdeps.store.conversation import ask
from rqdeps.store.scripts import BUDGET
from rqdeps.worker_info import workers


def waits() -> Conversation[list[int | None]]:
    return (yield from ask(finding.waits(["work", "none"])))


#: More jobs than one call saves, and more dependents than one call tells.
MANY = BUDGET // 2 + 10


@dataclass
class Program:
    """One run.

    Args:
        queue: the queue, sync or async.
        work: has a worker do all there is to do in the queue ``work``.

    Attributes:
        told: what it was told, in order.
    """

    queue: Any
    work: Callable[[], None]
    told: list[Any] = field(default_factory=list)

    async def run(self) -> list[Any]:
        """Does it all. Returns what it was told."""
        for part in (
            self._change,
            self._fail,
            self._grow,
            self._talk,
            self._flow,
            self._gather,
            self._exceed,
            self._look,
        ):
            await part()
        return self.told

    # One call at a time

    @property
    def _is_async(self) -> bool:
        return isinstance(self.queue, AsyncQueue)

    async def _do(self, holder: Any, name: str, *args: Any, **options: Any) -> Any:
        """What a method or property gives, by its name on either side."""
        kind = holder if isinstance(holder, type) else type(holder)
        found = getattr(holder, name if hasattr(kind, name) else f"get_{name}")
        if callable(found):
            found = found(*args, **options)
        return await found if inspect.isawaitable(found) else found

    async def _note(self, holder: Any, name: str, *args: Any, **options: Any) -> None:
        self.told.append((name, await self._do(holder, name, *args, **options)))

    async def _note_refusal(self, expected: type[Exception], holder: Any, name: str, *args: Any) -> None:
        try:
            await self._do(holder, name, *args)
        except expected as error:
            self.told.append((name, str(error)))
        else:
            raise AssertionError(f"{name} was not refused")

    async def _enqueue(self, job_id: str, function: Any, *args: Any, **options: Any) -> Any:
        return await self._do(self.queue.options(job_id=job_id, **options), "enqueue", function, *args)

    async def _status(self, *jobs: Any) -> None:
        for job in jobs:
            await self._note(job, "get_status")

    # The parts

    async def _change(self) -> None:
        """A person changes their mind, about jobs and about the queue."""
        queue = self.queue
        held = await self._enqueue("held", steps.echo, 1, hold=True)
        other = await self._enqueue("other", steps.nothing)
        await self._enqueue("after", steps.nothing, depends_on=held)
        await self._do(held, "add_dependency", other)
        await self._do(held, "refresh")
        await self._do(held, "save_meta")
        await self._do(held, "release")
        await self._note(held, "dependency_ids")
        await self._note(held, "dependent_ids")
        draft = (AsyncJob if self._is_async else Job).create(
            steps.nothing, job_id="draft", connection=self.queue.store.client
        )
        await self._do(draft, "save")
        await self._do(queue, "enqueue_job", draft)
        doomed = await self._enqueue("doomed", steps.nothing)
        await self._note(doomed, "cancel")
        await self._do(doomed, "requeue")
        await self._do(doomed, "delete")
        skipped = await self._enqueue("skipped", steps.nothing)
        await self._do(skipped, "skip", "as if")
        await self._note(skipped, "result")
        await self._do(queue, "pause")
        await self._note(queue, "is_paused")
        await self._do(queue, "limit", 3)
        await self._note(queue, "started_limit")
        await self._do(queue, "resume")
        await self._note(other, "explain")
        self.work()
        await self._note(held, "wait", timeout=10)
        await self._status(other, draft)

    async def _fail(self) -> None:
        bad = await self._enqueue("bad", steps.boom)
        below = await self._enqueue("below", steps.echo, bad.output)
        self.work()
        await self._note(bad, "explain")
        await self._note(below, "explain")
        await self._note_refusal(UpstreamFailedError, below, "requeue")
        self.told.append(len(await self._do(bad, "attempts")))
        await self._do(bad, "requeue")
        await self._status(bad, below)

    async def _grow(self) -> None:
        nested = await self._enqueue("nested", growing.spawn_nested)
        text = await self._enqueue("text", steps.text_of, 1000)
        length = await self._enqueue("length", steps.length, text.output)
        self.work()
        await self._note(nested, "result")
        await self._note(length, "result")

    async def _talk(self) -> None:
        talker = await self._enqueue("talker", steps.tell, "halfway")
        await self._do(talker, "log", "before it runs")
        self.work()
        # What a reply was lost of that says so is logged again, which the docs say.
        self.told.append(sorted({line.text for line in await self._do(talker, "log_lines")}))
        self.told.append(str(await self._do(talker, "get_progress")))

    async def _flow(self) -> None:
        kind = AsyncWorkflow if self._is_async else Workflow
        flow: Any = kind("nightly", queue=self.queue, id="nightly")
        first = await self._do(flow.options(job_id="first"), "enqueue", steps.nothing)
        await self._do(flow.options(job_id="second", depends_on=first), "enqueue", steps.boom)
        await self._do(flow, "commit")
        self.work()
        await self._note(flow, "wait", timeout=10)
        await self._note(flow, "job_ids")
        await self._note(flow, "retry_failed")
        await self._note(flow, "cancel")
        await self._note(flow, "status")
        self.told.append([each.id for each in await self._do(kind, "all", connection=self.queue.store.client)])
        await self._do(flow, "delete")
        self.told.append(await self._do(self.queue, "fetch_job", "second"))

    async def _gather(self) -> None:
        """What only programs that wait have faces for: groups, jobs claimed by their ids, words to workers."""
        prepare = self.queue.prepare_data
        datas = [prepare(steps.nothing, job_id=f"member-{number}") for number in range(3)]
        await self._do(self.queue, "enqueue_many", datas, group_id="members")
        await self._do(await self._do(self.queue, "fetch_job", "member-2"), "delete")
        await self._call(groups.leave("members", "member-0"))  # a second sending finds it gone
        self.told.append(await self._call(groups.names()))
        self.told.append(await self._call(groups.members("members")))
        claimed, _ = await self._call(claims.take("member-1", holder="hand.1", lease_ms=60_000))
        self.told.append((claimed.id, claimed.attempt))
        await self._call(claims.give_back([claimed]))
        self.told.append(await self._call(inbox.tell("nobody", inbox.SHUTDOWN)))
        self.work()

    async def _call(self, call: Call[Any]) -> Any:
        result = self.queue.store.run(call)
        return await result if inspect.isawaitable(result) else result

    async def _exceed(self) -> None:
        """What takes several calls: to save, to tell its dependents, to look for a circle, or to give up."""
        many, prepare = self._other_queue, self.queue.prepare_data
        root = prepare(steps.nothing, job_id="root")
        middle = [prepare(steps.nothing, job_id=f"middle-{number}", depends_on=root) for number in range(MANY)]
        last = prepare(steps.nothing, job_id="last", depends_on=middle)
        jobs = await self._do(many, "enqueue_many", [root, *middle, last])
        self.told.append(len(jobs))
        plain = [prepare(steps.nothing) for _ in range(MANY)]
        self.told.append(len(await self._do(many, "enqueue_many", plain)))
        self.told.append(len(await self._do(many, "get_job_ids", status="queued")))
        top = await self._do(many.options(job_id="top"), "enqueue", steps.nothing)
        await self._do(many.options(job_id="under-top", depends_on=top), "enqueue", steps.nothing)
        await self._do(top, "add_dependency", jobs[-1])
        await self._note_refusal(DependencyCycleError, jobs[-1], "add_dependency", top)
        lost = [prepare(steps.nothing, job_id=f"lost-{number}") for number in range(MANY)]
        lost.append(prepare(steps.nothing, job_id="lost", depends_on="nobody"))
        await self._note_refusal(NoSuchJobError, many, "enqueue_many", lost)
        await self._note(jobs[0], "cancel")
        await self._status(jobs[-1], top)

    @property
    def _other_queue(self) -> Any:
        return type(self.queue).on("many", self.queue.store)

    async def _look(self) -> None:
        for queue in (self.queue, self._other_queue):
            await self._note(queue, "counts")
            self.told.append(
                len(await self._do(queue, "get_job_ids", status="finished"))
            )  # what was spawned has ids of chance
        graph = await self._do(await self._do(self.queue, "fetch_job", "nested"), "graph")
        self.told.append(len(graph.nodes))
        for conversation in (workers(), find(JobFilter(function="NOTHING")), find(JobFilter(), 1), waits()):
            known = self.queue.store.perform(conversation)
            found = await known if self._is_async else known
            self.told.append(len(found.jobs if isinstance(found, Found) else found))
        looked = self.queue.store.perform(data_facts())
        facts = await looked if self._is_async else looked
        self.told.append([(queue.name, queue.counts) for queue in facts.queues])
        self.told.append(await self._call(checkups.awaited(["last"])))
        self.told.append(await self._call(checkups.ownerless(["payload:nobody"])))
