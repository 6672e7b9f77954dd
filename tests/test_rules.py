"""The trigger rules: what the ends of one to three dependencies mean for a job, in every order in which they come."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import permutations, product

import pytest
import samples
from by_hand import HandWorker, statuses
from conftest import FAKEREDIS
from meter import IN_FULL
from redis import Redis
from servers import VALKEY_9

from rqdeps import Dependency, Queue
from rqdeps.dependency import RULES
from rqdeps.enqueue_data import EnqueueData
from rqdeps.store.invariants.rules import Group, verdict

# Dependencies that finished (o), failed (x), were skipped (s) or still wait (.), and what becomes of a job by a rule:
# it runs, waits on, ends as upstream_failed (up), or is skipped (skip). By Airflow's definitions, with one difference:
# a job that can't run any more is skipped only when nothing that still waits could make it upstream_failed.
TABLE = """
      all_success  all_failed  all_done  one_success  one_failed  one_done  none_failed  none_failed_min_one_success  none_skipped  all_done_min_one_success

  .   wait         wait        wait      wait         wait        wait      wait         wait                         wait          wait
  o   run          skip        run       run          skip        run       run          run                          run           run
  x   up           run         run       up           run         run       up           up                           run           up
  s   skip         skip        run       skip         skip        skip      run          skip                         skip          skip

  ..  wait         wait        wait      wait         wait        wait      wait         wait                         wait          wait
  o.  wait         skip        wait      run          wait        run       wait         wait                         wait          wait
  x.  up           wait        wait      wait         run         run       up           up                           wait          wait
  s.  wait         skip        wait      wait         wait        wait      wait         wait                         skip          wait
  oo  run          skip        run       run          skip        run       run          run                          run           run
  ox  up           skip        run       run          run         run       up           up                           run           run
  os  skip         skip        run       run          skip        run       run          run                          skip          run
  xx  up           run         run       up           run         run       up           up                           run           up
  xs  up           skip        run       up           run         run       up           up                           skip          up
  ss  skip         skip        run       skip         skip        skip      run          skip                         skip          skip

  ... wait         wait        wait      wait         wait        wait      wait         wait                         wait          wait
  o.. wait         skip        wait      run          wait        run       wait         wait                         wait          wait
  x.. up           wait        wait      wait         run         run       up           up                           wait          wait
  s.. wait         skip        wait      wait         wait        wait      wait         wait                         skip          wait
  oo. wait         skip        wait      run          wait        run       wait         wait                         wait          wait
  ox. up           skip        wait      run          run         run       up           up                           wait          wait
  os. wait         skip        wait      run          wait        run       wait         wait                         skip          wait
  xx. up           wait        wait      wait         run         run       up           up                           wait          wait
  xs. up           skip        wait      wait         run         run       up           up                           skip          wait
  ss. wait         skip        wait      wait         wait        wait      wait         wait                         skip          wait
  ooo run          skip        run       run          skip        run       run          run                          run           run
  oox up           skip        run       run          run         run       up           up                           run           run
  oos skip         skip        run       run          skip        run       run          run                          skip          run
  oxx up           skip        run       run          run         run       up           up                           run           run
  oxs up           skip        run       run          run         run       up           up                           skip          run
  oss skip         skip        run       run          skip        run       run          run                          skip          run
  xxx up           run         run       up           run         run       up           up                           run           up
  xxs up           skip        run       up           run         run       up           up                           skip          up
  xss up           skip        run       up           run         run       up           up                           skip          up
  sss skip         skip        run       skip         skip        skip      run          skip                         skip          skip
"""  # noqa: E501

STATUSES = {"run": "queued", "wait": "deferred", "up": "upstream_failed", "skip": "skipped"}
OUTCOMES = {"o": "finished", "x": "failed", "s": "skipped", ".": ""}

COLUMNS, *ROWS = (line.split() for line in TABLE.splitlines() if line.strip())
EXPECTED = {row[0]: dict(zip(COLUMNS, (STATUSES[word] for word in row[1:]), strict=True)) for row in ROWS}

#: Every way in which one to three dependencies can end.
ALL_ENDS = ["".join(ends) for count in (1, 2, 3) for ends in product("oxs", repeat=count)]

# Several groups: the job runs when all are met.
GROUPS = [
    # met, or not yet
    ({"all_success": "oo", "all_failed": "xx"}, "run"),
    ({"all_done": "xs", "one_success": "o."}, "run"),
    ({"one_failed": "x.", "one_success": ".o", "one_done": "x."}, "run"),
    ({"all_success": "oo", "all_done": "x."}, "wait"),
    ({"one_success": "o", "one_failed": "o."}, "wait"),
    # a group that a failure has spoilt decides at once
    ({"all_success": "x", "all_done": "."}, "up"),
    ({"all_failed": "o", "all_success": "x"}, "up"),
    ({"none_failed": "x.", "all_failed": ".."}, "up"),
    ({"one_success": "xs", "one_done": "."}, "up"),
    ({"all_done_min_one_success": "xx", "all_success": "."}, "up"),
    # can't be met, and nothing that waits could spoil it: skipped
    ({"all_failed": "o", "all_done": "."}, "skip"),
    ({"all_failed": "o", "one_failed": "."}, "skip"),
    ({"none_skipped": "s", "all_failed": "."}, "skip"),
    ({"all_failed": "o.", "one_success": "o."}, "skip"),
    ({"all_failed": "o", "all_done_min_one_success": "o."}, "skip"),
    ({"one_done": "s", "none_skipped": "x."}, "skip"),
    ({"all_success": "s", "all_done": "."}, "skip"),
    # can't be met, and something that waits could still spoil a group: wait for it
    ({"all_failed": "o", "all_success": "."}, "wait"),
    ({"all_failed": "o", "one_success": "x."}, "wait"),
    ({"all_failed": "o", "one_success": "s."}, "wait"),
    ({"all_failed": "o", "all_done_min_one_success": "x."}, "wait"),
    ({"all_failed": "o", "all_done_min_one_success": "s."}, "wait"),
    ({"none_skipped": "s", "none_failed": "o."}, "wait"),
    ({"one_done": "s", "none_failed_min_one_success": "s."}, "wait"),
    ({"one_failed": "s", "all_success": "s."}, "wait"),
    # … and how that wait ends
    ({"all_failed": "o", "all_success": "o"}, "skip"),
    ({"all_failed": "o", "one_success": "xo"}, "skip"),
    ({"all_failed": "o", "one_success": "xx"}, "up"),
    ({"all_failed": "o", "one_success": "ss"}, "skip"),
    ({"all_failed": "o", "all_done_min_one_success": "xo"}, "skip"),
    ({"all_failed": "o", "all_done_min_one_success": "xs"}, "up"),
    ({"none_skipped": "s", "none_failed": "ox"}, "up"),
    ({"none_skipped": "s", "none_failed": "os"}, "skip"),
    ({"one_failed": "s", "all_success": "sx"}, "up"),
]

#: fakeredis, which takes ten times as long, has its turn with all rules in full only.
SERVERS = [VALKEY_9, FAKEREDIS] if IN_FULL else [VALKEY_9]

on_each_of_them = pytest.mark.parametrize(
    "connection", SERVERS, ids=[getattr(each, "name", each) for each in SERVERS], indirect=True
)


def row(outcomes: Iterable[str]) -> dict[str, str]:
    """The row of the table for dependencies in any order."""
    return EXPECTED["".join(sorted(outcomes, key="oxs.".index))]


class Scene:
    """Dependencies that end as a test wants it, when it wants it."""

    def __init__(self, connection: Redis, ends: str) -> None:
        self.queue = Queue(connection=connection)
        self.hands = HandWorker(self.queue.store)
        self.ends = ends
        datas: list[EnqueueData] = []
        self.dependencies: list[str] = []
        self.runs: list[str] = []
        for end in ends:
            run = Queue.prepare_data(samples.anything)
            datas.append(run)
            self.runs.append(run.id)
            if end == "s":  # what runs only if the other fails is skipped when that finishes
                datas.append(Queue.prepare_data(samples.anything, depends_on=Dependency(run, rule="all_failed")))
            self.dependencies.append(datas[-1].id)
        self.queue.enqueue_many(datas)
        self.hands.claim()

    def end(self, place: int) -> None:
        if self.ends[place] == "x":
            self.hands.fail(self.runs[place])
        else:
            self.hands.finish(self.runs[place])

    def add_dependents(self) -> dict[str, str]:
        """A dependent for each rule: rule → id."""
        datas = [
            Queue.prepare_data(samples.anything, depends_on=Dependency(self.dependencies, rule=rule)) for rule in RULES
        ]
        return dict(zip(RULES, [job.id for job in self.queue.enqueue_many(datas)], strict=True))

    def statuses(self, dependents: dict[str, str]) -> dict[str, str | None]:
        return dict(zip(dependents, statuses(self.queue.store, dependents.values()), strict=True))

    def dependency_statuses(self) -> list[str | None]:
        return statuses(self.queue.store, self.dependencies)


def test_the_table_is_complete():
    rows = ["".join(ends) for count in (1, 2, 3) for ends in product("oxs.", repeat=count)]
    assert {"".join(sorted(ends, key="oxs.".index)) for ends in rows} == set(EXPECTED)
    assert set(COLUMNS) == set(RULES)


@on_each_of_them
@pytest.mark.parametrize("ends", ALL_ENDS)
def test_a_rule_decides_the_same_in_every_order_of_events(connection: Redis, ends: str):
    for order in permutations(range(len(ends))):
        scene = Scene(connection, ends)
        dependents = scene.add_dependents()
        now = ["."] * len(ends)
        assert scene.statuses(dependents) == row(now)
        for place in order:
            scene.end(place)
            now[place] = ends[place]
            assert scene.statuses(dependents) == row(now), f"after {''.join(now)}, in the order {order}"
        assert scene.dependency_statuses() == [OUTCOMES[end] for end in ends]


@on_each_of_them
@pytest.mark.parametrize("ends", ALL_ENDS)
def test_a_dependent_that_comes_later_fares_like_one_that_was_there_before(connection: Redis, ends: str):
    scene = Scene(connection, ends)
    arrivals = [scene.add_dependents()]
    for place in range(len(ends)):
        scene.end(place)
        arrivals.append(scene.add_dependents())
        now = ends[: place + 1] + "." * (len(ends) - place - 1)
        for arrival, dependents in enumerate(arrivals):
            assert scene.statuses(dependents) == row(now), f"enqueued after {arrival} ends, and {now} now"


@pytest.mark.parametrize("ends", ["o", "x", "s"])
def test_all_servers_agree_on_one_dependency(connection: Redis, ends: str):
    scene = Scene(connection, ends)
    before = scene.add_dependents()
    scene.end(0)
    assert scene.statuses(before) == scene.statuses(scene.add_dependents()) == row(ends)


@on_each_of_them
@pytest.mark.parametrize(
    ("groups", "expected"),
    [
        pytest.param(groups, STATUSES[word], id="-".join(f"{rule}:{ends}" for rule, ends in groups.items()))
        for groups, word in GROUPS
    ],
)
def test_several_groups_together(connection: Redis, groups: dict[str, str], expected: str):
    ends = "".join(groups.values())
    places = [place for place, end in enumerate(ends) if end != "."]
    for order in permutations(places):
        scene = Scene(connection, ends)
        before = depend_on_groups(scene, groups)
        for place in order:
            scene.end(place)
        after = depend_on_groups(scene, groups)
        found = statuses(scene.queue.store, [before, after])
        assert found == [expected, expected], f"in the order {order}"


def depend_on_groups(scene: Scene, groups: dict[str, str]) -> str:
    ids = iter(scene.dependencies)
    depends_on = [Dependency([next(ids) for _ in ends], rule=rule) for rule, ends in groups.items()]
    return scene.queue.enqueue(samples.anything, depends_on=depends_on).id


@pytest.mark.parametrize("outcomes", EXPECTED)
def test_the_checkers_own_reading_of_the_rules_agrees_with_the_table(outcomes: str):
    found = {rule: verdict([Group.of(rule, [OUTCOMES[outcome] for outcome in outcomes])]) for rule in RULES}
    assert found == EXPECTED[outcomes]


@pytest.mark.parametrize(("groups", "word"), GROUPS)
def test_the_checkers_own_reading_of_several_groups_agrees(groups: dict[str, str], word: str):
    found = verdict(Group.of(rule, [OUTCOMES[end] for end in ends]) for rule, ends in groups.items())
    assert found == STATUSES[word]


# What an end means further down


def chain(connection: Redis, rules: Sequence[str]) -> tuple[HandWorker, list[str]]:
    """A job, and below it one job for each rule, each depending on the one before."""
    queue = Queue(connection=connection)
    datas = [Queue.prepare_data(samples.anything)]
    for rule in rules:
        datas.append(Queue.prepare_data(samples.anything, depends_on=Dependency(datas[-1], rule=rule)))
    ids = [job.id for job in queue.enqueue_many(datas)]
    hands = HandWorker(queue.store)
    hands.claim()
    return hands, ids


def test_a_failure_runs_down_and_counts_as_a_failure_at_each_step(connection: Redis):
    hands, ids = chain(connection, ["all_success", "none_failed", "all_done_min_one_success", "all_failed"])
    hands.fail(ids[0])
    assert statuses(hands.store, ids) == [
        "failed", "upstream_failed", "upstream_failed", "upstream_failed", "queued",
    ]  # fmt: skip


def test_a_skip_runs_down_and_is_no_failure(connection: Redis):
    hands, ids = chain(connection, ["all_failed", "all_success", "one_failed", "none_failed"])
    hands.finish(ids[0])
    assert statuses(hands.store, ids) == ["finished", "skipped", "skipped", "skipped", "queued"]


def test_what_was_released_is_not_pulled_back(connection: Redis):
    queue = Queue(connection=connection)
    hands = HandWorker(queue.store)
    first, second = (queue.enqueue(samples.anything) for _ in range(2))
    dependent = queue.enqueue(samples.anything, depends_on=Dependency([first, second], rule="one_success"))
    hands.claim()
    assert hands.finish(first.id) == [dependent.id]
    assert hands.claim() == [dependent.id]
    assert hands.fail(second.id) == []
    assert dependent.is_started
    hands.finish(dependent.id)
    assert dependent.is_finished


def test_a_job_is_released_once_however_many_dependencies_end(connection: Redis):
    queue = Queue(connection=connection)
    hands = HandWorker(queue.store)
    jobs = [queue.enqueue(samples.anything) for _ in range(3)]
    dependent = queue.enqueue(samples.anything, depends_on=Dependency(jobs, rule="one_done"))
    hands.claim()
    released = [released for job in jobs for released in hands.finish(job.id)]
    assert released == [dependent.id]
    assert hands.claim() == [dependent.id]
    assert hands.claim() == []


def test_edges_across_queues(connection: Redis):
    first, second = Queue("first", connection=connection), Queue("second", connection=connection)
    dependency = first.enqueue(samples.anything)
    dependent = second.enqueue(samples.anything, depends_on=dependency)
    hands = HandWorker(first.store, ["first"])
    hands.claim()
    hands.finish(dependency.id)
    assert (first.get_job_ids(status="queued"), second.get_job_ids(status="queued")) == ([], [dependent.id])
