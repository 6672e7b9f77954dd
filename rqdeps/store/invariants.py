"""What must be true of the stored data at any moment between two calls, checked on the data itself.

For tests, and for a person who doubts. Nothing is changed. The data is read in several steps, so nobody else may write
meanwhile. ``docs/architecture.md`` says what the keys hold.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import cache
from itertools import product
from typing import Any, Final

from redis import Redis

from rqdeps.status import TERMINAL_STATUSES, JobStatus
from rqdeps.store.keys import DEFAULT_NAMESPACE, Keys

#: The longest field name or value of a hash that stays a listpack, in bytes.
INLINE_BYTES: Final = 64

#: How many attempts that did not finish are kept of a job.
KEPT_ATTEMPTS: Final = 10

_TERMINAL: Final = frozenset(status.value for status in TERMINAL_STATUSES)
#: Statuses of jobs whose rules were met.
_RELEASED: Final = frozenset({"scheduled", "queued", "started", "joining", "finished", "failed", "stopped"})
#: Statuses in which a job's dependencies still decide, or have decided, what becomes of it.
_DECIDED_BY_RULES: Final = frozenset({"deferred", "upstream_failed", "skipped"})
#: Every status but the two whose jobs do not stand in a sorted set of that name.
_REGISTRIES: Final = frozenset(status.value for status in JobStatus) - {"queued", "created"}

#: Kinds of keys, with the type of each: one for the deployment, one for each queue, each worker, each job.
_SINGLE: Final = {
    "schema": "string",
    "queues": "set",
    "beat": "hash",
    "timers": "zset",
    "cascades": "zset",
    "workers": "zset",
}
_OF_QUEUE: Final = {"queue": "list", "queue-meta": "hash", "wake": "zset", **dict.fromkeys(_REGISTRIES, "zset")}
_OF_WORKER: Final = {"worker": "hash"}
_LONG_FIELDS: Final = ("payload", "result", "meta", "function", "retry", "description", "reason")
_OF_JOB: Final = {
    "job": "hash",
    "attempts": "list",
    "dependencies": "hash",
    "dependents": "zset",
    **dict.fromkeys(_LONG_FIELDS, "string"),
}
_COUNTS_OF_QUEUE: Final = frozenset({"stale", "retrying"})


class InvariantError(AssertionError):
    """The stored data contradicts itself.

    Attributes:
        violations: what is wrong, each naming the job or key.
    """

    def __init__(self, violations: list[str]) -> None:
        super().__init__("\n  ".join([f"{len(violations)} violations in the stored data:", *violations]))
        self.violations = violations


def check_invariants(connection: Redis, namespace: str = DEFAULT_NAMESPACE, *, quiet: bool = False) -> None:
    """Checks the data of a deployment.

    Args:
        connection: a client of the server, which does not decode responses.
        namespace: the hash tag of the deployment's keys.
        quiet: whether no worker has taken a wake marker without having looked for jobs since. Then every queue with
            jobs must have its marker too.

    Raises:
        InvariantError: with all that is wrong.
    """
    data = _read(connection, Keys(namespace))
    checks = [*_CHECKS, _check_wake_markers] if quiet else _CHECKS
    violations = [violation for check in checks for violation in check(data)]
    if violations:
        raise InvariantError(violations)


# The rules of dependencies, by their definitions

#: Rules that a failure can spoil: a job whose group can't be met then ends as upstream_failed.
_SPOILED_BY_FAILURE: Final = frozenset(
    {"all_success", "one_success", "none_failed", "none_failed_min_one_success", "all_done_min_one_success"}
)
_FINISHED, _FAILED, _SKIPPED, _WAITING = "finished", "failed", "skipped", ""
#: How many waiting dependencies are looked at: three can end in all the ways that matter, and more can do nothing else.
_ENOUGH_WAITING: Final = 3


@dataclass(frozen=True)
class Group:
    """A group of dependencies: its rule, and how many of them ended how."""

    rule: str
    finished: int
    failed: int
    skipped: int
    waiting: int

    @property
    def total(self) -> int:
        """How many dependencies the group has."""
        return self.finished + self.failed + self.skipped + self.waiting

    @classmethod
    def of(cls, rule: str, outcomes: Iterable[str]) -> Group:
        """A group with these outcomes, which are terminal statuses, or empty for those that wait."""
        counts = Counter(outcome if outcome in (_FINISHED, _SKIPPED, _WAITING) else _FAILED for outcome in outcomes)
        return cls(rule, counts[_FINISHED], counts[_FAILED], counts[_SKIPPED], counts[_WAITING])

    @property
    def is_met(self) -> bool:
        """Whether the rule is met now."""
        return {
            "all_success": self.finished == self.total,
            "all_failed": self.failed == self.total,
            "all_done": self.waiting == 0,
            "one_success": self.finished >= 1,
            "one_failed": self.failed >= 1,
            "one_done": self.finished + self.failed >= 1,
            "none_failed": self.waiting == 0 and self.failed == 0,
            "none_failed_min_one_success": self.waiting == 0 and self.failed == 0 and self.finished >= 1,
            "none_skipped": self.waiting == 0 and self.skipped == 0,
            "all_done_min_one_success": self.waiting == 0 and self.finished >= 1,
        }[self.rule]


@cache
def _ends(group: Group) -> frozenset[str]:
    """All that can still become of a group, over every way in which those that wait may end."""
    waiting = min(group.waiting, _ENOUGH_WAITING)
    found = set()
    for outcomes in product((_FINISHED, _FAILED, _SKIPPED), repeat=waiting):
        ended = Group(
            group.rule,
            group.finished + outcomes.count(_FINISHED),
            group.failed + outcomes.count(_FAILED),
            group.skipped + outcomes.count(_SKIPPED),
            0,
        )
        if ended.is_met:
            found.add("met")
        elif ended.failed and ended.rule in _SPOILED_BY_FAILURE:
            found.add("upstream_failed")
        else:
            found.add("skipped")
    return frozenset(found)


def verdict(groups: Iterable[Group]) -> str:
    """What a job's groups mean for it, by going through everything that may still happen.

    Returns:
        ``queued`` if all rules are met; ``upstream_failed`` if that is the only end; ``skipped`` if the job can't run
        any more and nothing that waits could make it ``upstream_failed``; else ``deferred``.
    """
    groups = list(groups)
    ends = [_ends(group) for group in groups]
    if all(group.is_met for group in groups):
        return "queued"
    if {"upstream_failed"} in ends:
        return "upstream_failed"
    can_run = all("met" in each for each in ends)
    may_fail = any("upstream_failed" in each for each in ends)
    return "deferred" if can_run or may_fail else "skipped"


# The data, read and taken apart


@dataclass(frozen=True)
class _Register:
    """What a job knows of one of its dependencies."""

    kind: str
    group: int
    epoch: int
    outcome: str


@dataclass
class _Edges:
    """The dependencies of a job: a register for each, the text of each group, and what could not be read."""

    registers: dict[str, _Register] = field(default_factory=dict)
    groups: dict[int, tuple[str, list[int]]] = field(default_factory=dict)
    count: int = 0
    unreadable: list[str] = field(default_factory=list)

    def group(self, number: int) -> Group:
        outcomes = [register.outcome for register in self.registers.values() if register.group == number]
        return Group.of(self.groups[number][0], outcomes)

    def verdict(self) -> str:
        return verdict(self.group(number) for number in self.groups)


@dataclass
class _Job:
    """The hash of a job."""

    id: str
    fields: dict[str, str]

    @property
    def status(self) -> str:
        return self.fields.get("status", "")

    @property
    def queue(self) -> str:
        return self.fields.get("queue", "")

    def number(self, name: str) -> int:
        text = self.fields.get(name, "0")
        return int(text) if text.removeprefix("-").isdigit() else -1


@dataclass
class _Data:
    """All that is stored: ``single``, ``of_queue`` and ``of_job`` hold values by kind, then by name."""

    single: dict[str, Any] = field(default_factory=dict)
    of_queue: dict[str, dict[str, Any]] = field(default_factory=lambda: {kind: {} for kind in _OF_QUEUE})
    of_worker: dict[str, dict[str, Any]] = field(default_factory=lambda: {kind: {} for kind in _OF_WORKER})
    of_job: dict[str, dict[str, Any]] = field(default_factory=lambda: {kind: {} for kind in _OF_JOB})
    unknown: list[str] = field(default_factory=list)
    jobs: dict[str, _Job] = field(default_factory=dict)
    edges: dict[str, _Edges] = field(default_factory=dict)

    def registry(self, status: str, queue: str) -> dict[str, float]:
        found: dict[str, float] = self.of_queue[status].get(queue, {})
        return found

    def dependents(self, job_id: str) -> dict[str, float]:
        found: dict[str, float] = self.of_job["dependents"].get(job_id, {})
        return found

    def sorted_set(self, name: str) -> dict[str, float]:
        found: dict[str, float] = self.single.get(name, {})
        return found

    def dependency(self, job_id: str, dependency_id: str) -> _Job | None:
        """What a job depends on, if it still exists; not a later job that was given the same id."""
        job, dependency = self.jobs.get(job_id), self.jobs.get(dependency_id)
        if job is None or dependency is None:
            return dependency
        is_namesake = job.status == "finished" and dependency.number("created_at") >= job.number("ended_at")
        return None if is_namesake and job_id not in self.dependents(dependency_id) else dependency

    @property
    def queues(self) -> set[str]:
        found: set[str] = self.single.get("queues", set())
        return found

    def is_live(self, queue: str, entry: str) -> bool:
        job_id, _, epoch = entry.rpartition(":")
        job = self.jobs.get(job_id)
        return job is not None and job.status == "queued" and job.queue == queue and job.fields.get("epoch") == epoch

    def live_entries(self, queue: str) -> set[str]:
        return {entry for entry in self.of_queue["queue"].get(queue, []) if self.is_live(queue, entry)}


def _read(connection: Redis, keys: Keys) -> _Data:
    client: Any = connection
    names = [key.decode() for key in client.scan_iter(match=f"{keys.prefix}*", count=1_000)]
    types = _pipelined(client, names, lambda pipe, name: pipe.type(name))
    values = _pipelined(client, names, lambda pipe, name: _READERS[types[name].decode()](pipe, name))
    data = _Data()
    for name in sorted(names):
        _file(data, name.removeprefix(keys.prefix), types[name].decode(), values[name])
    data.jobs = {job_id: _Job(job_id, fields) for job_id, fields in data.of_job["job"].items()}
    data.edges = {job_id: _read_edges(fields) for job_id, fields in data.of_job["dependencies"].items()}
    return data


def _pipelined(client: Any, names: list[str], ask: Callable[[Any, str], Any]) -> dict[str, Any]:
    pipe = client.pipeline(transaction=False)
    for name in names:
        ask(pipe, name)
    return dict(zip(names, pipe.execute(), strict=True))


_READERS: Final[dict[str, Callable[[Any, str], Any]]] = {
    "string": lambda pipe, name: pipe.strlen(name),
    "hash": lambda pipe, name: pipe.hgetall(name),
    "list": lambda pipe, name: pipe.lrange(name, 0, -1),
    "set": lambda pipe, name: pipe.smembers(name),
    "zset": lambda pipe, name: pipe.zrange(name, 0, -1, withscores=True),
    "stream": lambda pipe, name: pipe.xlen(name),
}


def _file(data: _Data, name: str, kind_of_value: str, value: Any) -> None:
    """Puts the value of a key where it belongs."""
    kind, colon, owner = name.partition(":")
    for kinds, by_kind in ((_OF_QUEUE, data.of_queue), (_OF_WORKER, data.of_worker), (_OF_JOB, data.of_job)):
        if colon and kinds.get(kind) == kind_of_value:
            by_kind[kind][owner] = _decode(value)
            return
    if not colon and _SINGLE.get(kind) == kind_of_value:
        data.single[kind] = _decode(value)
    else:
        data.unknown.append(f"{name} ({kind_of_value})")


def _decode(value: Any) -> Any:
    """A value with texts for bytes; a sorted set as a dictionary from member to score."""
    if isinstance(value, bytes):
        return value.decode("utf-8", "surrogateescape")
    if isinstance(value, dict):
        return {_decode(name): _decode(each) for name, each in value.items()}
    if isinstance(value, (set, frozenset)):
        return {_decode(each) for each in value}
    if isinstance(value, list):
        if value and isinstance(value[0], (list, tuple)):
            return {_decode(member): float(score) for member, score in value}
        return [_decode(each) for each in value]
    return value


_REGISTER = re.compile(r"(dependency|output):(\d+):(\d+):([a-z_]*)")
_GROUP = re.compile(r"([a-z_]+):(\d+):(\d+):(\d+):(\d+)")


def _read_edges(fields: dict[str, str]) -> _Edges:
    edges = _Edges()
    for name, text in fields.items():
        group, register = _GROUP.fullmatch(text), _REGISTER.fullmatch(text)
        if name == "#" and text.isdigit():
            edges.count = int(text)
        elif name.startswith("#") and name[1:].isdigit() and group:
            edges.groups[int(name[1:])] = (group[1], [int(number) for number in group.groups()[1:]])
        elif not name.startswith("#") and register and register[4] in {*_TERMINAL, ""}:
            edges.registers[name] = _Register(register[1], int(register[2]), int(register[3]), register[4])
        else:
            edges.unreadable.append(f"{name} = {text}")
    return edges


# The checks: each goes through the data and says what is wrong


def _check_keys(data: _Data) -> Iterator[str]:
    for name in data.unknown:
        yield f"key {name} is not part of the schema"
    for kind, by_job in data.of_job.items():
        for job_id in by_job:
            if job_id not in data.jobs:
                yield f"key {kind}:{job_id} belongs to no job"
    for kind, by_queue in data.of_queue.items():
        for queue in by_queue:
            if queue not in data.queues:
                yield f"key {kind}:{queue} belongs to a queue that is not in queues"
    for worker in data.of_worker["worker"]:
        if worker not in data.sorted_set("workers"):
            yield f"key worker:{worker} belongs to a worker that is not in workers, so nobody deletes it"


def _check_hashes_stay_small(data: _Data) -> Iterator[str]:
    hashes = [
        (f"{kind}:{owner}", value) for kind in ("job", "dependencies") for owner, value in data.of_job[kind].items()
    ]
    hashes += [(f"queue-meta:{queue}", value) for queue, value in data.of_queue["queue-meta"].items()]
    hashes += [("beat", data.single.get("beat", {}))]
    for key, fields in hashes:
        for name, value in fields.items():
            if max(len(part.encode("utf-8", "surrogateescape")) for part in (name, value)) > INLINE_BYTES:
                yield f"{key} has a field {name} of more than {INLINE_BYTES} bytes"


def _check_long_fields(data: _Data) -> Iterator[str]:
    for job in data.jobs.values():
        for name in _LONG_FIELDS:
            is_elsewhere = job.fields.get(name) == "@"
            if is_elsewhere and job.id not in data.of_job[name]:
                yield f"job {job.id}: its {name} should have a key of its own, and has none"
            elif not is_elsewhere and job.id in data.of_job[name]:
                yield f"job {job.id}: there is a key {name}:{job.id} that its hash does not point to"


def _check_jobs(data: _Data) -> Iterator[str]:
    statuses = {status.value for status in JobStatus}
    for job in data.jobs.values():
        if job.status not in statuses:
            yield f"job {job.id}: {job.status!r} is no status"
        if job.queue not in data.queues:
            yield f"job {job.id}: its queue {job.queue!r} is not in queues"
        if job.number("epoch") < 1:
            yield f"job {job.id}: its epoch is {job.fields.get('epoch')!r}"
        if job.number("failures") > job.number("retries") + 1:
            yield f"job {job.id}: {job.number('failures')} failures with {job.number('retries')} retries"
        if job.status in _TERMINAL and job.number("ended_at") <= 0:
            yield f"job {job.id}: is {job.status}, and has no time of its end"
        if len(data.of_job["attempts"].get(job.id, [])) > KEPT_ATTEMPTS:
            yield f"job {job.id}: more than {KEPT_ATTEMPTS} attempts are kept"


def _check_registries(data: _Data) -> Iterator[str]:
    for status in _REGISTRIES:
        for queue, members in data.of_queue[status].items():
            for job_id in members:
                job = data.jobs.get(job_id)
                if job is None:
                    yield f"{status}:{queue} holds {job_id}, which does not exist"
                elif (job.status, job.queue) != (status, queue):
                    yield f"{status}:{queue} holds {job_id}, which is {job.status} in {job.queue}"
    for job in data.jobs.values():
        if job.status in _REGISTRIES and job.id not in data.registry(job.status, job.queue):
            yield f"job {job.id}: is {job.status}, and not in {job.status}:{job.queue}"


def _check_queues(data: _Data) -> Iterator[str]:
    for job in data.jobs.values():
        if job.status == "queued":
            entry = f"{job.id}:{job.fields.get('epoch')}"
            if entry not in data.of_queue["queue"].get(job.queue, []):
                yield f"job {job.id}: is queued, and has no entry in queue:{job.queue}"
    for queue in data.queues:
        entries = data.of_queue["queue"].get(queue, [])
        counted = data.of_queue["queue-meta"].get(queue, {})
        # Of several entries of one job one counts, whichever comes first; the others find the job started.
        stale = len(entries) - len(data.live_entries(queue))
        if int(counted.get("stale", 0)) != stale:
            yield f"queue-meta:{queue} counts {counted.get('stale', 0)} stale entries, and there are {stale}"
        retrying = [
            job_id
            for job_id in data.registry("scheduled", queue)
            if job_id in data.jobs and data.jobs[job_id].number("attempt") > 0
        ]
        if int(counted.get("retrying", 0)) != len(retrying):
            yield f"queue-meta:{queue} counts {counted.get('retrying', 0)} jobs that retry, and they are {retrying}"
        for name in counted.keys() - _COUNTS_OF_QUEUE:
            yield f"queue-meta:{queue} has an unknown field {name}"


def _check_claims(data: _Data) -> Iterator[str]:
    for job in data.jobs.values():
        if job.status == "started":
            for name in ("fence", "holder", "started_at"):
                if job.fields.get(name, "0") in ("", "0"):
                    yield f"job {job.id}: is started, and has no {name}"
            if job.fields.get("begun") not in ("0", "1"):
                yield f"job {job.id}: is started, and it is not said whether it has begun"
            if job.fields.get("begun") == "1" and job.number("attempt") < 1:
                yield f"job {job.id}: has begun, and counts no attempt"


def _check_groups(data: _Data) -> Iterator[str]:
    for job_id, edges in data.edges.items():
        for text in edges.unreadable:
            yield f"dependencies:{job_id} has an unreadable field {text}"
        if sorted(edges.groups) != list(range(edges.count)) or edges.count == 0:
            yield f"dependencies:{job_id} counts {edges.count} groups, and has {sorted(edges.groups)}"
        for name, register in edges.registers.items():
            if register.group not in edges.groups:
                yield f"dependencies:{job_id}: {name} stands in group {register.group}, which does not exist"
        for number, (rule, counts) in edges.groups.items():
            group = edges.group(number)
            recount = [group.total, group.finished, group.failed, group.skipped]
            if counts != recount:
                yield f"dependencies:{job_id}: group {number} ({rule}) counts {counts}, its registers {recount}"
        wanted = sum(register.kind == "output" for register in edges.registers.values())
        job = data.jobs.get(job_id)
        if job is not None and job.number("outputs") != wanted:
            yield f"job {job_id}: counts {job.number('outputs')} outputs, its registers {wanted}"


def _check_edges_agree(data: _Data) -> Iterator[str]:
    for job_id, edges in data.edges.items():
        for dependency_id in edges.registers:
            if data.dependency(job_id, dependency_id) and job_id not in data.dependents(dependency_id):
                yield f"job {job_id} depends on {dependency_id}, and is not in dependents:{dependency_id}"
    for dependency_id in data.of_job["dependents"]:
        orders = data.dependents(dependency_id)
        for job_id in orders:
            if job_id not in data.edges or dependency_id not in data.edges[job_id].registers:
                yield f"dependents:{dependency_id} holds {job_id}, which does not depend on it"
        if len(set(orders.values())) < len(orders) or min(orders.values()) < 1:
            yield f"dependents:{dependency_id}: its orders are not distinct whole numbers from 1"
        job = data.jobs.get(dependency_id)
        if job is not None and job.number("linked") < max(orders.values()):
            yield f"job {dependency_id}: linked is {job.number('linked')}, below an order in its dependents"


def _check_registers(data: _Data) -> Iterator[str]:
    """A register tells what its dependency is now, unless the dependency's cascade has yet to come by."""
    cascades = data.sorted_set("cascades")
    for job_id, edges in data.edges.items():
        job = data.jobs.get(job_id)
        for dependency_id, register in edges.registers.items():
            dependency = data.dependency(job_id, dependency_id)
            if dependency is None:
                if job is not None and job.status != "finished":
                    yield f"job {job_id}: is {job.status}, and needs {dependency_id}, which does not exist any more"
                continue
            outcome = dependency.status if dependency.status in _TERMINAL else ""
            if (register.epoch, register.outcome) == (dependency.number("epoch"), outcome):
                continue
            order = data.dependents(dependency_id).get(job_id, 0)
            is_news = register.epoch < dependency.number("epoch") or not register.outcome
            if not is_news or cascades.get(dependency_id, order) >= order:
                yield (
                    f"job {job_id}: knows {dependency_id} as {register.outcome or 'open'} in epoch {register.epoch}; "
                    f"it is {dependency.status} in epoch {dependency.number('epoch')}, and nobody is on the way"
                )


def _check_verdicts(data: _Data) -> Iterator[str]:
    for job in data.jobs.values():
        edges = data.edges.get(job.id)
        if edges is None:
            if job.status in _DECIDED_BY_RULES:
                yield f"job {job.id}: is {job.status}, and has no dependencies"
            continue
        demanded = edges.verdict()
        if job.status in _DECIDED_BY_RULES and job.status != demanded:
            yield f"job {job.id}: is {job.status}, and its dependencies make it {demanded}"
        # What was met once may be reopened later by a requeue, which is a new epoch; released is released.
        is_first_life = all(register.epoch == 1 for register in edges.registers.values())
        if job.status in _RELEASED and is_first_life and demanded != "queued":
            yield f"job {job.id}: is {job.status}, and its dependencies never let it run ({demanded})"


def _check_timers(data: _Data) -> Iterator[str]:
    timers = data.sorted_set("timers")
    for job_id in timers:
        job = data.jobs.get(job_id)
        if job is None:
            yield f"timers holds {job_id}, which does not exist"
        elif "ttl" not in job.fields or job.status not in ("created", "deferred", "scheduled", "queued"):
            yield f"timers holds {job_id}, which is {job.status} with ttl {job.fields.get('ttl')}"
        elif job.number("attempt") > 0:
            yield f"timers holds {job_id}, which has begun an attempt"
    for job in data.jobs.values():
        waits = job.status in ("deferred", "scheduled", "queued") and "fence" not in job.fields
        if waits and "ttl" in job.fields and job.id not in timers:
            yield f"job {job.id}: waits with a ttl, and is not in timers"


def _check_cascades(data: _Data) -> Iterator[str]:
    for job_id, place in data.sorted_set("cascades").items():
        job = data.jobs.get(job_id)
        if job is None:
            yield f"cascades holds {job_id}, which does not exist"
        elif job.status not in _TERMINAL:
            yield f"cascades holds {job_id}, which is {job.status}"
        elif not 0 <= place <= job.number("linked"):
            yield f"cascades holds {job_id} at {place:g}, and the last of its dependents is {job.number('linked')}"


def _check_wake_markers(data: _Data) -> Iterator[str]:
    for queue in data.queues:
        if data.live_entries(queue) and not data.of_queue["wake"].get(queue):
            yield f"queue {queue} has jobs to claim, and no wake marker"


_CHECKS: Final[list[Callable[[_Data], Iterator[str]]]] = [
    _check_keys,
    _check_hashes_stay_small,
    _check_long_fields,
    _check_jobs,
    _check_registries,
    _check_queues,
    _check_claims,
    _check_groups,
    _check_edges_agree,
    _check_registers,
    _check_verdicts,
    _check_timers,
    _check_cascades,
]
