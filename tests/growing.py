"""Functions of jobs that spawn others, which the tests of spawning, maps and workflows enqueue."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import steps

from rqdeps import Dependency, Fallback, Job, Queue, Snooze, Workflow, get_current_job
from rqdeps.errors import DependencyCycleError


def me() -> Job[Any]:
    """The job that runs."""
    job = get_current_job()
    assert job is not None
    return job


def spawn_echoes(values):
    """Spawns a job for each value, which returns it, and returns their outputs."""
    return [me().spawn(steps.echo, value).output for value in values]


def spawn_one(function, args=(), options=None):
    """Spawns a job, and returns its id."""
    return me().options(**options or {}).spawn(function, *args).id


def spawn_some(wishes):
    """Spawns a job for each wish, a function with arguments and options, and returns their ids."""
    return [spawn_one(*wish) for wish in wishes]


def give_one(function, args=(), options=None):
    """Spawns a job, and returns its output."""
    return me().options(**options or {}).spawn(function, *args).output


def spawn_nested():
    """Returns outputs of spawned jobs at many places."""
    job = me()
    left, right = job.spawn(steps.add, 1, 2), job.spawn(steps.add, 3, 4)
    both = job.spawn(steps.add, left.output, right=right.output)
    return {"both": both.output, "parts": [left.output, ({"deep": [left.output]}, right.output)], "plain": 5}


def spawn_two_in_turn(path):
    """Spawns two jobs of which the second waits for the first, though it is spawned before that."""
    job = me()
    first = job.options(job_id="spawned-first").spawn(steps.note, path, "first")
    job.options(depends_on=first).spawn(steps.note, path, "second")


def spawn_with_defaults():
    """Spawns a job that succeeds and one that fails, and returns what there is of both."""
    every = me().options(rule="all_done")
    good, bad = every.spawn(steps.echo, "good"), every.spawn(steps.boom)
    return [good.output_or("no good"), bad.output_or("no good")]


def spawn_chain(length, function="steps.echo", args=("the end",)):
    """Spawns a job that spawns a job, and so on, and returns what the last one does, which calls a function."""
    if length == 0:
        return me().spawn(function, *args).output
    return me().spawn(spawn_chain, length - 1, function, args).output


def spawn_tree(depth):
    """Counts the leaves of a tree of jobs."""
    if depth == 0:
        return 1
    left, right = (me().spawn(spawn_tree, depth - 1) for _ in range(2))
    return me().spawn(steps.add, left.output, right.output).output


def spawn_many(count, path=None):
    """Spawns many jobs; with a file, they write there."""
    for number in range(count):
        if path is None:
            me().spawn(steps.nothing)
        else:
            me().spawn(steps.note, path, str(number))


def spawn_and_fail_before(attempt, path):
    """Spawns a job that writes to a file; fails before an attempt."""
    me().spawn(steps.note, path, f"attempt {me().attempt}")
    return steps.fail_before_attempt(attempt)


def spawn_and_snooze_until(marker, path):
    """Spawns a job that writes to a file; the first attempt snoozes."""
    me().spawn(steps.note, path, f"attempt {me().attempt}")
    if not Path(marker).exists():
        Path(marker).touch()
        raise Snooze(0.01)


def spawn_elsewhere(job_id):
    """Spawns as if it were another job."""
    Job(job_id, me()._store).spawn(steps.nothing)


def spawn_with_fallback():
    """Returns the output of a job that fails, and for which another stands in."""
    return me().options(fallback=Fallback(steps.echo, "rescued")).spawn(steps.boom).output


def spawn_for_spawner(kind):
    """Spawns a job that waits for the one that spawns it, in whatever way."""
    job = me()
    if kind == "depends_on":
        job.options(depends_on=job).spawn(steps.nothing)
    elif kind == "output":
        job.spawn(steps.echo, job.output)
    elif kind == "group":
        job.options(depends_on=Dependency([job.id], rule="all_done")).spawn(steps.nothing)
    elif kind == "fallback":
        job.options(fallback=Fallback(steps.echo, job.output_or(1))).spawn(steps.nothing)
    elif kind == "later":
        job.spawn(steps.nothing).add_dependency(job)
    else:
        raise AssertionError(kind)


def take_output_of(job_id):
    """Spawns a job that takes the output of one outside."""
    return me().spawn(steps.echo, Job(job_id, me()._store).output).output


def spawn_in_spite_of_refusal():
    """Spawns a job, after another that it may not spawn."""
    with contextlib.suppress(DependencyCycleError):
        me().options(depends_on=me()).spawn(steps.nothing)
    me().spawn(steps.nothing)


def spawn_with_wrong_arguments():
    """Returns the error that it gets."""
    try:
        me().spawn(steps.add, 1, wrong=2)
    except TypeError as error:
        return type(error).__name__


kept: list[Job[Any]] = []


def keep_current_job():
    """Keeps the job for somebody else in this process."""
    kept.append(me())


def give_output_of(job_id):
    """Returns the output of a job that it did not spawn."""
    return [Job(job_id, me()._store).output]


def spawn_twice_under(job_id):
    for _ in range(2):
        me().options(job_id=job_id).spawn(steps.nothing)


def only_even(number):
    if number % 2:
        raise ValueError(f"{number} is odd")
    return number


def note_and_succeed_from(item, attempt, path):
    """Notes each run; items that are odd succeed only from an attempt on."""
    steps.note(path, str(item))
    if item % 2:
        steps.fail_before_attempt(attempt)
    return item


def facts_of_mine(item):
    """What an element of a map knows of itself."""
    job = me()
    job.refresh()
    return [item, job.timeout, job.meta, job.origin, job.given_description]


def negated(number):
    return -number


def map_inside(items):
    """Maps as part of the job that runs."""
    return me().options(retry=1).map(negated, items).output


def map_all_done_inside(items):
    """Maps as part of the job that runs, which gets on without the map."""
    return me().options(rule="all_done").map(only_even, items).output_or("no map")


def wait_for_workflow(workflow_id):
    Workflow.fetch(workflow_id, me()._store.client).wait(timeout=1)


def commit_workflow(values):
    """Enqueues a workflow of its own, and returns its id."""
    with Workflow("inner", queue=Queue.on("default", me()._store)) as workflow:
        for value in values:
            workflow.enqueue(steps.echo, value)
    return workflow.id
