"""RQ's server: what is read of its jobs, page by page, and the scripts that take them away."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib import resources
from typing import Any, cast

from redis import Redis

from rqdeps.from_rq.layout import PLACES, STATUS_IN, Layout, Place
from rqdeps.store.calls.call import counted

#: How many jobs are read in one round trip.
PAGE = 500

#: What stands in a place: the id of a job, the place, its queue, and the job's score and position there.
_Entry = tuple[str, Place, str, float, int]

#: A scheduled job that is so close to its time is left to RQ's scheduler while one is at work, in seconds: clocks may
#: differ.
MARGIN = 5


@dataclass(frozen=True)
class Waiting:
    """A job that waits in RQ, as far as planning needs it.

    Attributes:
        id: its id in RQ.
        place: where it waits.
        queue: in which queue.
        score: its score in that registry; of a job in the list of a queue, how often it stands there.
        position: how many stand before it.
        status: its status.
        dependency_ids: the jobs that it was to wait for.
        allows_failure: whether it runs also if these fail.
    """

    id: str
    place: Place
    queue: str
    score: float
    position: int
    status: str
    dependency_ids: tuple[str, ...] = ()
    allows_failure: bool = False

    @property
    def is_as_it_says(self) -> bool:
        """Whether its status fits its place."""
        return self.status == STATUS_IN[self.place]

    @property
    def order(self) -> tuple[int, int, str]:
        """Sorts jobs in the order in which RQ would come to run them."""
        return PLACES.index(self.place), self.position, self.queue


@dataclass(frozen=True)
class Snapshot:
    """What there is in RQ at a moment, or nearly so.

    Attributes:
        waiting: the jobs that wait, by their ids.
        elsewhere: the queues of jobs that run, or wait for room under a rate limit, by their ids.
        statuses: the status of these, and of what waiting jobs depend on; ``None`` if it is gone.
    """

    waiting: dict[str, Waiting]
    elsewhere: dict[str, str]
    statuses: dict[str, str | None]


@dataclass(frozen=True)
class StoredJob:
    """All that RQ has stored of a job.

    Attributes:
        fields: its hash.
        ttl_ms: after how many milliseconds RQ would delete it; ``None`` for never.
        dependents: the ids of the jobs that wait for it.
    """

    fields: dict[str, bytes]
    ttl_ms: int | None
    dependents: tuple[str, ...]

    def text(self, name: str) -> str:
        """A field as text; empty if there is none."""
        return self.fields.get(name, b"").decode(errors="replace")

    @property
    def names(self) -> tuple[str, ...]:
        """The names of its fields, in an order that is the same everywhere."""
        return tuple(sorted(self.fields))

    @property
    def digest(self) -> str:
        """Tells its fields from those that it has once anything was changed; ``take.lua`` makes the same."""
        values = [self.fields[name] for name in self.names]
        whole = b"".join(b"%d:%b" % (len(value), value) for value in values)
        return hashlib.sha1(whole, usedforsecurity=False).hexdigest()


@dataclass(frozen=True)
class Taking:
    """A job that is to be taken out of RQ.

    Attributes:
        waiting: where it stands.
        stored: what was read of it, and has to be as it was.
        mark: the name of its mark: its id in rqdeps.
        before: what the mark says.
        after: what it says once the job is taken.
        outside: dependencies that are not taken with it.
    """

    waiting: Waiting
    stored: StoredJob
    mark: str
    before: str
    after: str
    outside: tuple[str, ...] = field(default=())


class RqServer:
    """The server of an RQ deployment.

    Args:
        client: a client that does not decode responses.
        layout: the names of RQ's keys.
    """

    def __init__(self, client: Redis, layout: Layout) -> None:
        self.layout = layout
        self._client: Any = client

    # Reading

    def snapshot(self, queues: Sequence[str] = ()) -> Snapshot:
        """Reads what waits and what runs.

        Args:
            queues: only these queues; all if there are none.
        """
        names = list(dict.fromkeys(queues)) or self._queue_names()
        found, taken, running = self._members(names)
        begun = running | self._rate_limited(set(names)) | taken
        statuses = self._statuses(begun)
        elsewhere = {job_id: name for job_id, name in begun.items() if _is_begun(statuses[job_id], job_id in taken)}
        facts = self._facts(dict.fromkeys(job_id for job_id, *_ in found))
        waiting: dict[str, Waiting] = {}
        for job_id, place, queue, score, position in found:
            if job_id not in facts or job_id in elsewhere:
                continue  # it has expired; or a worker has it, and it stands in the list once more
            one = Waiting(job_id, place, queue, score, position, *facts[job_id])
            if job_id not in waiting or (one.is_as_it_says and not waiting[job_id].is_as_it_says):
                waiting[job_id] = one
        depended_on = {each for one in waiting.values() for each in one.dependency_ids} - waiting.keys()
        return Snapshot(waiting, elsewhere, statuses | self._statuses(depended_on))

    def read(self, job_ids: Sequence[str]) -> list[StoredJob | None]:
        """Reads all of some jobs; ``None`` where there is no such job."""
        stored: list[StoredJob | None] = []
        for page in pages_of(job_ids):
            pipeline = self._client.pipeline(transaction=False)
            for job_id in page:
                pipeline.hgetall(self.layout.job(job_id))
                pipeline.pttl(self.layout.job(job_id))
                pipeline.smembers(self.layout.dependents(job_id))
            replies = pipeline.execute()
            for fields, ttl_ms, dependents in zip(replies[::3], replies[1::3], replies[2::3], strict=True):
                known = {name.decode(): value for name, value in fields.items()}
                job = StoredJob(known, ttl_ms if ttl_ms >= 0 else None, tuple(map(bytes.decode, dependents)))
                stored.append(job if known else None)
        return stored

    def _queue_names(self) -> list[str]:
        return sorted(self.layout.name_in(key.decode()) for key in self._client.smembers(self.layout.queues))

    def _members(self, queues: Sequence[str]) -> tuple[list[_Entry], dict[str, str], dict[str, str]]:
        """What waits where, at one moment; and the queues of what workers have taken, and of what runs."""
        transaction = self._client.pipeline(transaction=True)
        for queue in queues:
            transaction.lrange(self.layout.place("queue", queue), 0, -1)
            for place in PLACES[1:]:
                transaction.zrange(self.layout.place(place, queue), 0, -1, withscores=True)
            transaction.lrange(self.layout.taken(queue), 0, -1)
            transaction.zrange(self.layout.running(queue), 0, -1)
        replies = iter(transaction.execute())
        found: list[_Entry] = []
        taken: dict[str, str] = {}
        running: dict[str, str] = {}
        for queue in queues:
            times = Counter(next(replies))
            found += [(entry.decode(), "queue", queue, count, i) for i, (entry, count) in enumerate(times.items())]
            for place in PLACES[1:]:
                found += [(entry.decode(), place, queue, score, i) for i, (entry, score) in enumerate(next(replies))]
            taken |= {entry.decode(): queue for entry in next(replies)}
            running |= {entry.decode().partition(":")[0]: queue for entry in next(replies)}
        return found, taken, running

    def _rate_limited(self, queues: set[str]) -> dict[str, str]:
        limits = self._client.smembers(self.layout.rate_limits)
        keys = [self.layout.rate_limited(limit.decode()) for limit in limits]
        job_ids = [job_id.decode() for key in keys for job_id in self._client.zrange(key, 0, -1)]
        origins = {job_id: (origin or b"").decode() for job_id, (origin,) in self._fields(job_ids, ["origin"])}
        return {job_id: origin for job_id, origin in origins.items() if origin in queues}

    def _facts(self, job_ids: Iterable[str]) -> dict[str, tuple[str, tuple[str, ...], bool]]:
        """Status, dependencies, and whether these may fail, of those jobs that there are."""
        names = ("created_at", "status", "dependency_ids", "dependency_id", "allow_dependency_failures")
        facts = {}
        for job_id, (created_at, status, several, one, allows) in self._fields(job_ids, names):
            if created_at:
                ids = json.loads(several) if several else [one.decode()] if one else []
                facts[job_id] = ((status or b"").decode(), tuple(ids), allows == b"1")
        return facts

    def _statuses(self, job_ids: Iterable[str]) -> dict[str, str | None]:
        found = self._fields(job_ids, ["status"])
        return {job_id: None if status is None else status.decode() for job_id, (status,) in found}

    def _fields(self, job_ids: Iterable[str], names: Sequence[str]) -> Iterator[tuple[str, list[Any]]]:
        for page in pages_of(list(job_ids)):
            pipeline = self._client.pipeline(transaction=False)
            for job_id in page:
                pipeline.hmget(self.layout.job(job_id), names)
            yield from zip(page, pipeline.execute(), strict=True)

    # Taking

    def take(self, graphs: Sequence[Sequence[Taking]]) -> list[str]:
        """Takes graphs out of RQ, each whole or not at all.

        Args:
            graphs: the jobs of each.

        Returns:
            What became of each: see ``take.lua``.
        """
        name_lists = list(dict.fromkeys(job.stored.names for graph in graphs for job in graph))
        numbers = {names: number for number, names in enumerate(name_lists, 1)}
        args: list[Any] = [self.layout.prefix, MARGIN, len(name_lists)]
        for names in name_lists:
            args += counted(names)
        args.append(len(graphs))
        for graph in graphs:
            args.append(len(graph))
            for job in graph:
                args += _taking_args(job, numbers[job.stored.names])
        return [reply.decode() for reply in self._run("take", args)]

    # Marks

    def marks(self) -> dict[str, str]:
        """All marks, by their names."""
        found: dict[bytes, bytes] = self._client.hgetall(self.layout.marks)
        return {name.decode(): value.decode() for name, value in found.items()}

    def change_marks(self, changes: Sequence[tuple[str, str, str]]) -> list[bool]:
        """Changes marks that are as somebody has read them.

        Args:
            changes: for each: its name, what it has to be, and what it becomes; nothing for no mark.

        Returns:
            Whether each was so.
        """
        changed: list[bool] = []
        for page in pages_of(changes):
            changed += map(bool, self._run("mark", [part for change in page for part in change]))
        return changed

    def _run(self, script: str, args: Sequence[Any]) -> list[Any]:
        run = self._client.register_script(_script(script))
        return cast("list[Any]", run(keys=[self.layout.marks], args=args))


def _is_begun(status: str | None, is_taken: bool) -> bool:
    """Whether a job that is said to run does. RQ 2 can leave entries of what has ended behind, or is queued again."""
    return status in ("started", "rate_limited") or (is_taken and status == "queued")


def _taking_args(job: Taking, names: int) -> list[Any]:
    waiting, stored = job.waiting, job.stored
    return [
        *(job.mark, job.before, job.after),
        *(waiting.id, waiting.place, waiting.queue, waiting.score, names, stored.digest, stored.text("group_id")),
        *counted(stored.dependents),
        *counted(job.outside),
    ]


def pages_of(items: Sequence[Any]) -> Iterator[Sequence[Any]]:
    """Portions of what can be done in one round trip."""
    for i in range(0, len(items), PAGE):
        yield items[i : i + PAGE]


@cache
def _script(name: str) -> str:
    return (resources.files("rqdeps.from_rq") / f"{name}.lua").read_text("utf-8")
