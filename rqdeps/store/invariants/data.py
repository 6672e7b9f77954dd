"""All that is stored of a deployment, read and taken apart."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from redis import Redis

from rqdeps.store.invariants.rules import Group
from rqdeps.store.invariants.schema import (
    OF_GATE,
    OF_GROUP,
    OF_JOB,
    OF_JOIN,
    OF_QUEUE,
    OF_WORKER,
    OF_WORKFLOW,
    SINGLE,
    TERMINAL,
)
from rqdeps.store.keys import Keys


@dataclass(frozen=True)
class Register:
    """What a job knows of one of its dependencies."""

    kind: str
    group: int
    epoch: int
    outcome: str


@dataclass
class Edges:
    """What a job depends on, or what it joins: a register for each, the text of each group, and what could not be read.

    Attributes:
        key: the hash that they stand in.
        job_id: the job.
        are_joined: whether it joins them, or depends on them.
        fence: while what it joins is staged: that of the claim whose attempt has spawned it.
    """

    key: str = ""
    job_id: str = ""
    are_joined: bool = False
    fence: str = ""
    registers: dict[str, Register] = field(default_factory=dict)
    groups: dict[int, tuple[str, list[int]]] = field(default_factory=dict)
    count: int = 0
    unreadable: list[str] = field(default_factory=list)

    def group(self, number: int) -> Group:
        """One group, counted anew from its registers."""
        outcomes = [register.outcome for register in self.registers.values() if register.group == number]
        return Group.of(self.groups[number][0], outcomes)

    def all_groups(self) -> list[Group]:
        """All groups, counted anew."""
        return [self.group(number) for number in self.groups]


@dataclass
class StoredJob:
    """The hash of a job."""

    id: str
    fields: dict[str, str]

    @property
    def status(self) -> str:
        """Its status."""
        return self.fields.get("status", "")

    @property
    def epoch(self) -> int:
        """Which of its lives it is in; the first goes without saying. -1 if it is no number."""
        return self.number("epoch") if "epoch" in self.fields else 1

    @property
    def created_at(self) -> int:
        """When it was saved: unless that is said, when it was queued. 0 if nothing is said, -1 if it is no number."""
        return self.number("created_at" if "created_at" in self.fields else "enqueued_at")

    @property
    def queue(self) -> str:
        """Its queue."""
        return self.fields.get("queue", "")

    @property
    def gate(self) -> str:
        """The gate that it has yet to pass, or nothing."""
        return self.fields.get("gate", "")

    @property
    def is_workflow(self) -> bool:
        """Whether it is a workflow's own job: it has no function, and joins the members."""
        return self.fields.get("function") == ""

    @property
    def has_run(self) -> bool:
        """Whether what it joins decides on it, and its dependencies no more."""
        return "joins" in self.fields

    @property
    def is_being_deleted(self) -> bool:
        """Whether it is there only until everybody has been told."""
        return "deleting" in self.fields

    @property
    def own_outcome(self) -> str:
        """How it has ended itself, or nothing. A job that is deleted before its end has no outcome."""
        was_open = self.fields.get("deleting", "").endswith(":open")
        return self.status if self.status in TERMINAL and not was_open else ""

    def number(self, name: str) -> int:
        """A field as a number; 0 without it, -1 if it is none."""
        text = self.fields.get(name, "0")
        return int(text) if text.removeprefix("-").isdigit() else -1


@dataclass
class Data:
    """All that is stored: ``single``, ``of_queue``, ``of_job`` … hold values by kind, then by name.

    Attributes:
        edges: what each job depends on.
        joins: what each job joins.
        spawned: by the gate, what a job will join once the attempt that has spawned it is accepted.
    """

    single: dict[str, Any] = field(default_factory=dict)
    of_queue: dict[str, dict[str, Any]] = field(default_factory=lambda: {kind: {} for kind in OF_QUEUE})
    of_worker: dict[str, dict[str, Any]] = field(default_factory=lambda: {kind: {} for kind in OF_WORKER})
    of_gate: dict[str, dict[str, Any]] = field(default_factory=lambda: {kind: {} for kind in OF_GATE})
    of_workflow: dict[str, dict[str, Any]] = field(default_factory=lambda: {kind: {} for kind in OF_WORKFLOW})
    of_group: dict[str, dict[str, Any]] = field(default_factory=lambda: {kind: {} for kind in OF_GROUP})
    of_join: dict[str, dict[str, Any]] = field(default_factory=lambda: {kind: {} for kind in OF_JOIN})
    of_job: dict[str, dict[str, Any]] = field(default_factory=lambda: {kind: {} for kind in OF_JOB})
    unknown: list[str] = field(default_factory=list)
    jobs: dict[str, StoredJob] = field(default_factory=dict)
    edges: dict[str, Edges] = field(default_factory=dict)
    joins: dict[str, Edges] = field(default_factory=dict)
    spawned: dict[str, Edges] = field(default_factory=dict)

    def all_edges(self) -> list[Edges]:
        """What jobs depend on, join, or will join."""
        return [*self.edges.values(), *self.joins.values(), *self.spawned.values()]

    def edges_of(self, job_id: str) -> list[Edges]:
        """What one job depends on, joins, or will join."""
        found = [by_job[job_id] for by_job in (self.edges, self.joins) if job_id in by_job]
        return [*found, *(edges for edges in self.spawned.values() if edges.job_id == job_id)]

    def registry(self, status: str, queue: str) -> dict[str, float]:
        """The members of a registry, with their scores."""
        found: dict[str, float] = self.of_queue[status].get(queue, {})
        return found

    def dependents(self, job_id: str) -> dict[str, float]:
        """Who waits or waited for a job, with their places."""
        found: dict[str, float] = self.of_job["dependents"].get(job_id, {})
        return found

    def sorted_set(self, name: str) -> dict[str, float]:
        """A sorted set of the whole deployment."""
        found: dict[str, float] = self.single.get(name, {})
        return found

    def dependency(self, edges: Edges, dependency_id: str) -> StoredJob | None:
        """What a job depends on, or joins, if it still exists; not a later job that was given the same id."""
        job, dependency = self.jobs.get(edges.job_id), self.jobs.get(dependency_id)
        if job is None or dependency is None or edges.job_id in self.dependents(dependency_id):
            return dependency
        is_later = dependency.created_at >= job.created_at
        is_done_with_it = edges.registers[dependency_id].outcome != "" or job.is_being_deleted
        return None if is_later and is_done_with_it else dependency

    def outcome(self, job: StoredJob, kind: str) -> str:
        """What a job's state means for a dependent with this kind of edge: a terminal status, or nothing.

        A fallback wants to know how the job itself ended. For all others a job that failed comes to what its fallback
        comes to, once that has been told of this very failure.
        """
        outcome = job.own_outcome
        while kind != "fallback" and outcome == "failed":
            if "stand_in" in job.fields:
                return job.fields["stand_in"]
            fallback = self.jobs.get(job.fields.get("fallback", ""))
            if fallback is None:
                return outcome
            told = self.edges[fallback.id].registers.get(job.id) if fallback.id in self.edges else None
            if told is None or (told.epoch, told.outcome) != (job.epoch, "failed"):
                return ""
            job, outcome = fallback, fallback.own_outcome
        return outcome

    def is_closed(self, job: StoredJob) -> bool:
        """Whether a job stands behind a gate that has not been opened, so that nobody sees it."""
        return job.gate in self.sorted_set("gates")

    def is_given_up(self, job: StoredJob) -> bool:
        """Whether a job stands behind a gate whose jobs are being deleted, in no order."""
        members: dict[str, float] = self.of_gate["gate"].get(job.gate, {})
        return members.get("#") == 0

    def holds(self, job_id: str, fence: str) -> bool:
        """Whether a claim goes on."""
        job = self.jobs.get(job_id)
        return job is not None and job.status == "started" and job.fields.get("fence") == fence

    @property
    def queues(self) -> set[str]:
        """The names of all queues."""
        found: set[str] = self.single.get("queues", set())
        return found

    def is_live(self, queue: str, entry: str) -> bool:
        """Whether an entry of a queue still counts."""
        job_id, _, epoch = entry.rpartition(":")
        job = self.jobs.get(job_id)
        return job is not None and job.status == "queued" and job.queue == queue and str(job.epoch) == epoch

    def live_entries(self, queue: str) -> set[str]:
        """The entries of a queue that still count."""
        return {entry for entry in self.of_queue["queue"].get(queue, []) if self.is_live(queue, entry)}


def read(connection: Redis, keys: Keys) -> Data:
    """Reads all keys of a deployment."""
    client: Any = connection
    names = [key.decode() for key in client.scan_iter(match=f"{keys.prefix}*", count=1_000)]
    types = _pipelined(client, names, lambda pipe, name: pipe.type(name))
    names = [name for name in types if types[name] != b"none"]  # it went meanwhile
    for name in names:
        if name.startswith(f"{keys.prefix}function:") and types[name] == b"string":
            types[name] = b"function"
    values = _pipelined(client, names, lambda pipe, name: _READERS[types[name].decode()](pipe, name))
    data = Data()
    for name in sorted(names):
        _file(data, name.removeprefix(keys.prefix), types[name].decode().replace("function", "string"), values[name])
    data.jobs = {job_id: StoredJob(job_id, fields) for job_id, fields in data.of_job["job"].items()}
    for job_id, fields in data.of_job["dependencies"].items():
        data.edges[job_id] = _read_edges(Edges(f"dependencies:{job_id}", job_id), fields)
    for name, fields in data.of_join["joins"].items():
        edges = _read_edges(Edges(f"joins:{name}", name, are_joined=True), fields)
        (data.spawned if edges.fence else data.joins)[name] = edges
    return data


def _pipelined(client: Any, names: list[str], ask: Callable[[Any, str], Any]) -> dict[str, Any]:
    pipe = client.pipeline(transaction=False)
    for name in names:
        ask(pipe, name)
    return dict(zip(names, pipe.execute(), strict=True))


_READERS: Final[dict[str, Callable[[Any, str], Any]]] = {
    "string": lambda pipe, name: pipe.strlen(name),
    "function": lambda pipe, name: pipe.get(name),  # the only one of the long fields that others are compared with
    "hash": lambda pipe, name: pipe.hgetall(name),
    "list": lambda pipe, name: pipe.lrange(name, 0, -1),
    "set": lambda pipe, name: pipe.smembers(name),
    "zset": lambda pipe, name: pipe.zrange(name, 0, -1, withscores=True),
    "stream": lambda pipe, name: pipe.xlen(name),
}


def _file(data: Data, name: str, kind_of_value: str, value: Any) -> None:
    """Puts the value of a key where it belongs."""
    kind, colon, owner = name.partition(":")
    for kinds, by_kind in (
        (OF_QUEUE, data.of_queue),
        (OF_WORKER, data.of_worker),
        (OF_GATE, data.of_gate),
        (OF_WORKFLOW, data.of_workflow),
        (OF_GROUP, data.of_group),
        (OF_JOIN, data.of_join),
        (OF_JOB, data.of_job),
    ):
        if colon and kinds.get(kind) == kind_of_value:
            by_kind[kind][owner] = _decode(value)
            return
    if not colon and SINGLE.get(kind) == kind_of_value:
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


_REGISTER = re.compile(r"([a-z]+):(\d+):(\d+):([a-z_]*)")
#: The kinds of edges, by whether they are to what a job joins.
_KINDS = {False: {"dependency", "output", "fallback"}, True: {"spawn", "output"}}
_GROUP = re.compile(r"([a-z_]+):(\d+):(\d+):(\d+):(\d+)")


#: The claim whose attempt has spawned what a job is to join.
_CLAIM = re.compile(r"([^:]+):(\d+)")


def _read_edges(edges: Edges, fields: dict[str, str]) -> Edges:
    for name, text in fields.items():
        group, register, claim = _GROUP.fullmatch(text), _REGISTER.fullmatch(text), _CLAIM.fullmatch(text)
        if name == "#" and text.isdigit():
            edges.count = int(text)
        elif name == "#by" and edges.are_joined and claim:
            edges.job_id, edges.fence = claim.groups()
        elif name.startswith("#") and name[1:].isdigit() and group:
            edges.groups[int(name[1:])] = (group[1], [int(number) for number in group.groups()[1:]])
        elif (
            not name.startswith("#")
            and register
            and register[1] in _KINDS[edges.are_joined]
            and register[4] in {*TERMINAL, ""}
        ):
            edges.registers[name] = Register(register[1], int(register[2]), int(register[3]), register[4])
        else:
            edges.unreadable.append(f"{name} = {text}")
    return edges
