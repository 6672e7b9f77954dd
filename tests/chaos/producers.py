"""Those who enqueue jobs and change their minds. Each writes down what it tries, and what it knows to be done."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from random import Random
from typing import Any

from redis.exceptions import RedisError

from chaos import graphs, jobs
from chaos.graphs import Node
from chaos.jobs import Deed
from chaos.notebook import Notebook
from rqdeps import Dependency, Fallback, Job, Queue, Workflow
from rqdeps.dependency import Output, Rule, guarantees_success
from rqdeps.enqueue_data import EnqueueData
from rqdeps.errors import ConnectionUnavailableError, DuplicateJobError, RqdepsError

#: How many of its latest jobs and workflows a producer still knows.
_REMEMBERED = 60

#: How often a call whose outcome is unknown is made again.
_TRIES = 3


class Producer(threading.Thread):
    """Enqueues jobs, until it is told to stop.

    Args:
        url: where the server is.
        notebook: where to write down what it does.
        seed: from which all that it does is made.
        pause: how long it rests between two doings, in seconds on average.
        rested: while set, it does nothing: there is enough to do.
    """

    def __init__(self, url: str, notebook: Notebook, seed: str, pause: float, rested: threading.Event) -> None:
        super().__init__(name=f"producer {seed}")
        self._random = Random(seed)
        self._queue = Queue("work", url=url)
        self._notebook = notebook
        self._pause = pause
        self._rested = rested
        self._over = threading.Event()
        self._jobs: deque[str] = deque(maxlen=_REMEMBERED)
        self._workflows: deque[Workflow] = deque(maxlen=_REMEMBERED)
        self.error: BaseException | None = None

    def run(self) -> None:
        """Works."""
        doings: dict[Callable[[], None], float] = {
            self._enqueue_graph: 50,
            self._enqueue_one: 8,
            self._enqueue_map: 8,
            self._enqueue_workflow: 8,
            self._enqueue_wide_graph: 0.4,
            self._hold_and_release: 3,
            self._cancel: 9,
            self._requeue: 4,
            self._delete: 2,
            self._skip: 1,
            self._change_workflow: 3,
            self._wait: 3,
        }
        try:
            while not self._over.wait(self._random.expovariate(1 / self._pause)):
                if not self._rested.is_set():
                    self._random.choices(list(doings), list(doings.values()))[0]()
        except BaseException as error:
            self.error = error
        finally:
            self._queue.store.client.close()

    def stop(self) -> None:
        """Tells it to stop once it has done what it does."""
        self._over.set()

    # Enqueueing

    def _enqueue_graph(self) -> None:
        self._enqueue(graphs.graph(self._random))

    def _enqueue_wide_graph(self) -> None:
        self._enqueue(graphs.wide_graph(self._random))

    def _enqueue(self, nodes: list[Node]) -> None:
        datas, facts = self._datas(nodes)
        ids = [data.id for data in datas]
        self._carry_out(facts, lambda: self._queue.enqueue_many(datas), ids)

    def _carry_out(
        self, facts: list[dict[str, Any]], call: Callable[[], object], ids: list[str], *, is_anew: bool = False
    ) -> bool:
        """Notes what is about to be enqueued, does it, notes whether that is known to be done.

        Args:
            facts: what is noted.
            call: does it.
            ids: the jobs.
            is_anew: whether each call makes other jobs of these ids, so that after one without an answer the next is
                refused if that has arrived.
        """
        self._notebook.note(what="enqueue", jobs=facts)
        if not self._is_answered(call, is_anew=is_anew):
            return False
        self._notebook.note(what="enqueued", ids=[fact["id"] for fact in facts])
        self._jobs += ids
        return True

    def _is_answered(self, call: Callable[[], object], *, is_anew: bool = False) -> bool:
        may_have_arrived = False
        for _ in range(self._random.randint(1, _TRIES)):
            try:
                call()
            except ConnectionUnavailableError:
                may_have_arrived = True
                continue
            except (RqdepsError, RedisError) as error:
                if is_anew and may_have_arrived and isinstance(error, DuplicateJobError):
                    return True
                self._notebook.note(what="refused", error=repr(error))
                return False
            return True
        return False

    def _datas(self, nodes: list[Node], before: list[str] | None = None) -> tuple[list[EnqueueData], list[Any]]:
        datas: list[EnqueueData] = []
        facts = []
        for node in nodes:
            ids = [data.id for data in datas]
            groups: list[tuple[Rule, list[str]]] = [
                (rule, [ids[member] for member in members]) for rule, members in node.groups
            ]
            options = dict(node.options)
            if self._random.random() < 0.5:
                options["job_id"] = f"{self._random.getrandbits(64):x}"
            fallback = None
            if node.fallback is not None:
                fallback = f"{self._random.getrandbits(64):x}"
                timeout = node.fallback.get("timeout")
                options["fallback"] = Fallback(
                    jobs.act, node.fallback, job_id=fallback, job_timeout=timeout, result_ttl=-1
                )
            depends_on = [Dependency(members, rule=rule) for rule, members in groups]
            outputs = [ids[member] for member in node.outputs]
            args = [node.deed, *(_output(job_id, groups) for job_id in outputs)]
            datas.append(Queue.prepare_data(jobs.act, args, depends_on=depends_on or None, **options))
            facts.append(
                {"id": datas[-1].id, "deed": node.deed, "groups": groups, "outputs": outputs}
                | {"fallback": fallback, "short": node.options.get("result_ttl") != -1}
                | {"retries": node.options.get("retry", 0)}
            )
            if fallback:
                facts.append({"id": fallback, "deed": node.fallback, "groups": [], "fallback_of": datas[-1].id})
        return datas, facts

    def _enqueue_one(self) -> None:
        """A job later, or one that waits for others that may be long gone."""
        node = graphs.graph(self._random)[0]
        job_id = f"{self._random.getrandbits(64):x}"
        options = node.options | {"job_id": job_id}
        fact: dict[str, Any] = {"id": job_id, "deed": node.deed, "groups": [], "retries": options.get("retry", 0)}
        fact["short"] = options["result_ttl"] != -1
        if self._random.random() < 0.5 and self._jobs:
            others = self._random.sample(list(self._jobs), min(len(self._jobs), self._random.randint(1, 3)))
            fact["groups"] = [("all_done", others)]
            options["depends_on"] = Dependency(others, rule="all_done")
            data = Queue.prepare_data(jobs.act, [node.deed], **options)
            self._carry_out([fact], lambda: self._queue.enqueue_many([data]), [job_id])
            return
        queue = Queue.on(options.pop("queue"), self._queue.store)
        delay = self._random.random()
        self._carry_out([fact], lambda: queue.enqueue_in(delay, jobs.act, node.deed, **options), [job_id], is_anew=True)

    def _enqueue_map(self) -> None:
        """A map over a list, or over what another job returns."""
        map_id = f"{self._random.getrandbits(64):x}"
        deed = graphs.deed(self._random, spawns=False)
        fact: dict[str, Any] = {"id": map_id, "deed": {"do": "map"}, "groups": [], "is_map": True}
        options: dict[str, Any] = {"job_id": map_id, "result_ttl": -1, "retry": 2, "job_timeout": deed.get("timeout")}
        items: Any = [str(number) for number in range(self._random.randint(0, 6))]
        if self._random.random() < 0.5:
            lister = Node({"do": "list", "items": 4, "until": 2}, options={"retry": 2, "result_ttl": -1})
            (data,), facts = self._datas([lister])
            if not self._carry_out(facts, lambda: self._queue.enqueue_many([data]), [data.id]):
                return
            items, fact["groups"] = Output(data.id), [("all_success", [data.id])]
        mapped = self._queue.options(**options)
        self._carry_out([fact], lambda: mapped.map(jobs.element, items, args=[deed, map_id]), [map_id])

    def _enqueue_workflow(self) -> None:
        """A graph as a workflow, with something that cleans up, and a job that comes after all."""
        nodes = graphs.graph(self._random)
        if self._random.random() < 0.5:
            everything = list(range(len(nodes)))
            nodes.append(Node({"do": "return"}, [("all_done", everything)], options={"result_ttl": -1}))
        name = f"{self._random.getrandbits(64):x}"
        workflow = Workflow("chaos", self._queue, id=name, result_ttl=-1)
        datas, facts = self._datas(nodes)
        for data in datas:
            workflow._take([data])
        for fact in facts:
            fact["workflow"] = name
        facts.append({"id": name, "deed": {"do": "workflow"}, "groups": [], "is_workflow": True})
        if self._carry_out(facts, workflow.commit, [data.id for data in datas]):
            self._workflows.append(workflow)

    def _hold_and_release(self) -> None:
        deed = graphs.deed(self._random)
        options = {"hold": True, "result_ttl": -1, "job_timeout": deed.get("timeout")}
        (data,), facts = self._datas([Node(deed, options=options)])
        if self._carry_out(facts, lambda: self._queue.enqueue_many([data]), []):
            self._is_answered(lambda: Job(data.id, self._queue.store).release())

    # Changing what there is

    def _cancel(self) -> None:
        self._change("cancel", lambda job: job.cancel())

    def _requeue(self) -> None:
        if self._random.random() < 0.3:
            self._change("requeue by force", lambda job: job.requeue(force=True))
        else:
            self._change("requeue", lambda job: job.requeue())

    def _delete(self) -> None:
        policy: Any = self._random.choice(["cancel", "release"])
        self._change("delete", lambda job: job.delete(policy))

    def _skip(self) -> None:
        self._change("skip", lambda job: job.skip({"run": "skipped"}))

    def _change(self, op: str, change: Callable[[Job[Any]], object]) -> None:
        if not self._jobs:
            return
        job_id = self._random.choice(list(self._jobs))
        self.change(op, job_id, lambda: change(Job(job_id, self._queue.store)))

    def change(self, op: str, name: str, change: Callable[[], object]) -> None:
        """Does something to a job or workflow, and writes it down."""
        change_here(self._notebook, op, name, change)

    def _change_workflow(self) -> None:
        if not self._workflows:
            return
        workflow = self._random.choice(list(self._workflows))
        changes: list[tuple[str, Callable[[], object]]] = [
            ("cancel workflow", workflow.cancel),
            ("cancel workflow", lambda: workflow.cancel(clean_up=False)),
            ("retry workflow", workflow.retry_failed),
            ("delete workflow", workflow.delete),
        ]
        op, change = self._random.choices(changes, (4, 2, 3, 1))[0]
        self.change(op, workflow.id, change)

    def _wait(self) -> None:
        if self._jobs:
            job = Job[Any](self._random.choice(list(self._jobs)), self._queue.store)
            self._is_answered(lambda: job.wait(timeout=0.3))


def enqueue_for_certain(notebook: Notebook, queue: Queue, deeds: list[Deed], **options: Any) -> list[str]:
    """Enqueues jobs over a connection that does not break, and writes it down. Returns their ids."""
    datas = [queue.prepare_data(jobs.act, [deed], result_ttl=-1, retry=1, **options) for deed in deeds]
    facts = [
        {"id": data.id, "deed": deed, "groups": [], "retries": 1, "short": False}
        for data, deed in zip(datas, deeds, strict=True)
    ]
    notebook.note(what="enqueue", jobs=facts)
    queue.enqueue_many(datas)
    ids = [str(data.id) for data in datas]
    notebook.note(what="enqueued", ids=ids)
    return ids


def change_here(notebook: Notebook, op: str, name: str, change: Callable[[], object]) -> None:
    """Does something to a job or workflow, and writes down that it was tried and what came of it."""
    notebook.note(what="try", op=op, name=name)
    try:
        result = change()
    except ConnectionUnavailableError:
        return
    except (RqdepsError, RedisError) as error:
        notebook.note(what="refused", op=op, name=name, error=repr(error))
        return
    notebook.note(what="done", op=op, name=name, result=result if isinstance(result, (bool, int)) else None)


def _output(job_id: str, groups: list[tuple[Rule, list[str]]]) -> Output:
    """A job's output, with a default where it may have failed."""
    for rule, members in groups:
        if job_id in members and not guarantees_success(rule, len(members)):
            return Output(job_id, None)
    return Output(job_id)
