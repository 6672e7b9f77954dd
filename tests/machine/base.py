"""What all commands need: wishes for random jobs, the store and the model of it, and the clients that talk to it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import samples
from by_hand import LEASE_MS
from follower import Follower
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine
from model import Model
from redis import Redis

from rqdeps import Dependency, Fallback, Queue
from rqdeps.dependency import RULES, Output, Rule
from rqdeps.enqueue_data import EnqueueData, delayed
from rqdeps.store import Call, Store
from rqdeps.store.calls import staging, upkeep
from rqdeps.store.calls.claims import Claimed
from rqdeps.store.calls.enqueue import NewJob

T = TypeVar("T")

QUEUES = ["a", "b"]
CHOSEN_IDS = ["chosen-1", "chosen-2", "chosen-3"]
LONG = "long " * 20
AN_HOUR_MS = 3_600_000

#: What a call may cost: most often so little that cascades are interrupted all the time.
BUDGETS = [1, 1, 4, 8, 12, 500]

#: More calls than ``maintain`` or ``cascade`` can need to come to an end.
MANY_CALLS = 500

#: As many jobs as there need to be for all that can happen.
MANY_JOBS = 20

picks = st.integers(0, 1_000_000)


#: What jobs are like, beside what they depend on: mostly plain, else with something that is handled in its own way.
VARIETIES: list[dict[str, Any]] = [
    {},
    {},
    {},
    {"retry": 1},
    {"retry": 2, "argument": LONG, "on_failure": f"module.{'long_' * 20}"},
    {"delay_ms": AN_HOUR_MS},
    {"delay_ms": AN_HOUR_MS, "ttl": "1h", "retry": 1},
    {"delay_ms": 0},
    {"ttl": "1h"},
    {"at_front": True},
    {"result_ttl": 0},
    {"is_chosen": True},
    {"is_chosen": True, "ttl": "1h"},
    {"hold": True},
    {"hold": True, "ttl": "1h", "delay_ms": AN_HOUR_MS},
    {"fallbacks": [{}]},
    {"fallbacks": [{"retry": 1}]},
    {"fallbacks": [{}, {"ttl": "1h"}]},
    {"fallbacks": [{"at_front": True}], "hold": True},
]


@dataclass(frozen=True)
class Wish:
    """A job to be: its queue and variety; a rule for each group; and which jobs it depends on, with their groups."""

    queue: str
    variety: dict[str, Any]
    rules: list[Rule]
    edges: list[tuple[int, int]]


wishes = st.builds(
    Wish,
    st.sampled_from(QUEUES),
    st.sampled_from(VARIETIES),
    st.lists(st.sampled_from(RULES), min_size=1, max_size=3),
    st.just([]) | st.lists(st.tuples(picks, st.integers(0, 8)), min_size=1, max_size=5),
)


class Worker:
    """What a worker knows: its name, and the claims that it believes to hold."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.renames = 0
        self.held: list[Claimed] = []

    @property
    def holder(self) -> str:
        return f"worker-{self.number}.{self.renames}"


@dataclass
class Stager:
    """Who brings a graph in pieces: a client, or the worker of an attempt that spawns it.

    Attributes:
        plan: the graph.
        claim: that of the attempt.
        others: jobs outside of it that what is spawned depends on.
        come: how many pieces have come.
        calls: those that have brought them.
    """

    plan: staging.Plan
    claim: Claimed | None = None
    others: list[str] = field(default_factory=list)
    come: int = 0
    calls: list[Call[None]] = field(default_factory=list)

    @property
    def gate(self) -> str:
        return self.plan.gate

    @property
    def is_whole(self) -> bool:
        return self.come == len(self.plan.pieces)


class Base(RuleBasedStateMachine):
    """A store, the model of it, and those who talk to it."""

    def __init__(self, client: Redis) -> None:
        super().__init__()
        self.client: Any = client
        self.follower = Follower(client)
        self.workers = [Worker(1), Worker(2)]
        self.stagers: list[Stager] = []
        self.have_spawned: set[int] = set()
        self.sent: list[tuple[Call[Any], list[tuple[str, int]]]] = []
        self.budget = 0
        self.made = 0
        self.patch: Any = None

    @property
    def model(self) -> Model:
        return self.follower.model

    @property
    def store(self) -> Store:
        return self.follower.store

    # Talking to the store

    def run(self, call: Call[T]) -> T:
        return self.follower.run(call)

    def follow(self, *, at_most: int | None = None, left: int | None = None) -> None:
        """Sees what became of the last calls.

        Args:
            at_most: how often they may have told a job of another.
            left: how many of the cascades that they began had to be left, by their own account.
        """
        before, begun_before = self.model.untold(), set(self.follower.tasks)
        self.follower.follow()
        assert at_most is None or self.follower.tellings <= at_most, f"{self.follower.tellings} tellings of {at_most}"
        is_done = self.model.untold() <= before and self.follower.tasks <= begun_before
        assert left != 0 or is_done, "a call left a cascade behind and does not say so"

    def maintain(self) -> upkeep.Maintained:
        """Lets a worker look after all queues until nothing is left to do. Returns the sum of it."""
        recovered: list[str] = []
        expired: list[str] = []
        promoted = 0
        for _ in range(MANY_CALLS):
            result = self.run(upkeep.maintain(QUEUES, lease_ms=LEASE_MS))
            recovered += result.recovered
            expired += result.expired
            promoted += result.promoted
            if not result.has_more:
                return upkeep.Maintained(False, result.next_due_ms, recovered, expired, promoted, 0)
        raise AssertionError("maintain never comes to an end")

    # Making jobs

    def pick(self, candidates: list[T], pick: int) -> T:
        return candidates[pick % len(candidates)]

    def new_batch(
        self,
        batch: list[Wish],
        *,
        may_choose: bool = True,
        adapt: Callable[[EnqueueData], EnqueueData] = lambda data: data,
        but: str = "",
    ) -> list[NewJob]:
        """Jobs to be, of which each may depend on those before it, and on all that exist.

        Args:
            batch: what they are to be like.
            may_choose: whether they may have ids of the caller's choice.
            adapt: what to change about each.
            but: the job that none may depend on.
        """
        free = [job_id for job_id in CHOSEN_IDS if job_id not in self.model.jobs] if may_choose else []
        known = [job.id for job in self.model.visible() if job.id != but]
        jobs: list[NewJob] = []
        for wish in batch:
            groups: dict[int, list[str]] = {}
            outputs = []
            for which, place in wish.edges if known else []:
                job_id = self.pick(known, which)
                if all(job_id not in members for members in groups.values()):
                    groups.setdefault(place % len(wish.rules), []).append(job_id)
                    outputs += [Output(job_id, None)] if place > 5 else []
            options = dict(wish.variety)
            if options.get("fallbacks") and known and len(wish.edges) > 2:  # these alone wait for one thing more
                options["also"] = Output(self.pick(known, wish.edges[0][0] + 1), None)
            is_chosen = bool(options.pop("is_chosen", False) and free)
            data = adapt(self.new_data(options, free.pop() if is_chosen else None, groups, wish.rules, outputs))
            for each in data.with_fallbacks():
                job = each.new_job(wish.queue)
                known.append(job.id)
                jobs.append(job if is_chosen else replace(job, nonce=""))
        return jobs

    def new_data(
        self,
        options: dict[str, Any],
        job_id: str | None,
        groups: dict[int, list[str]],
        rules: list[Rule],
        outputs: list[Output],
    ) -> EnqueueData:
        delay_ms = options.pop("delay_ms", None)
        job_id = job_id or self.new_id()
        fallback = None
        also = options.pop("also", None)
        for wanted in reversed(options.pop("fallbacks", [])):
            fallback = Fallback(samples.anything, also, *outputs, job_id=self.new_id(), fallback=fallback, **wanted)
        data = Queue.prepare_data(
            samples.anything,
            [options.pop("argument", ""), *outputs],
            job_id=job_id,
            depends_on=[Dependency(ids, rule=rules[group]) for group, ids in groups.items()],
            fallback=fallback,
            **options,
        )
        return data if delay_ms is None else delayed(data, delay_ms)

    def new_id(self) -> str:
        self.made += 1
        return f"job-{self.made}"
