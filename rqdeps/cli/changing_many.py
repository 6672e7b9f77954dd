"""Changes of all jobs that options choose: first how many they are, then a question, then what has become of them."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import click

from rqdeps.cli.asking import is_wanted
from rqdeps.cli.exits import INTERRUPTED, REFUSED
from rqdeps.errors import InvalidJobOperationError, NoSuchJobError
from rqdeps.finding import FoundJob, JobFilter, find
from rqdeps.job import Job, fetch_jobs
from rqdeps.store import Conversation, Store, connect
from rqdeps.store.scripts import JOBS_PER_CALL
from rqdeps.text import many, times

#: How many jobs that were refused are named, with why.
_NAMED = 3

#: How many queues are named.
_QUEUES_NAMED = 5


@dataclass(frozen=True)
class Change:
    """What is done to jobs.

    Attributes:
        verb: what it is called.
        done: what they then are, in words.
        one: does it to one, and says what has become of it.
        many: does it to many, and says to how many; ``None`` if they are taken one by one.
        takes_workflows: whether also to workflows' own jobs.
    """

    verb: str
    done: str
    one: Callable[[Job[Any]], str]
    many: Callable[[Sequence[str]], Conversation[int]] | None = None
    takes_workflows: bool = False


@dataclass
class _Tally:
    """What has come of it so far."""

    changed: int = 0
    refused: list[str] = field(default_factory=list)


def change_many(wanted: JobFilter, change: Change, url: str | None, *, yes: bool) -> None:
    """Changes all jobs that are meant. Exits with 1 if it was refused for all of them.

    Args:
        wanted: which are meant.
        change: what is done to them.
        url: where they are.
        yes: whether it need not be asked for.
    """
    store = connect(url, create=False)
    found = [
        job
        for job in store.perform(find(wanted, for_change=True)).jobs
        if change.takes_workflows or not job.is_workflow
    ]
    if not found:
        click.echo("No such job.")
        return
    if not is_wanted(f"{change.verb.capitalize()} {_described(found)}?", yes=yes):
        click.echo("left as they are")
        return
    tally = _Tally()
    try:
        _change_all([job.id for job in found], change, store, tally)
    except KeyboardInterrupt:
        click.echo(f"\nInterrupted: {tally.changed:,} of {len(found):,} {change.done}.", err=True)
        sys.exit(INTERRUPTED)
    click.echo(f"{times(tally.changed, 'job')} {change.done}")
    left = len(found) - tally.changed
    if left:
        said = "; ".join(tally.refused[:_NAMED]) or "their dependencies, fallbacks or somebody else came first"
        click.echo(f"{times(left, 'job')} left as {'it is' if left == 1 else 'they are'}: {said}", err=True)
    sys.exit(0 if tally.changed else REFUSED)


def _described(found: Sequence[FoundJob]) -> str:
    """How many of which statuses and queues."""
    statuses = Counter(job.status for job in found)
    queues = Counter(job.queue for job in found)
    by_status = ", ".join(f"{count:,} {status}" for status, count in statuses.items())
    named = ", ".join(name for name, _ in queues.most_common(_QUEUES_NAMED))
    more = f" and {len(queues) - _QUEUES_NAMED} more" if len(queues) > _QUEUES_NAMED else ""
    return f"{many(len(found), 'job')} ({by_status}) of queue{'' if len(queues) == 1 else 's'} {named}{more}"


def _change_all(ids: Sequence[str], change: Change, store: Store, tally: _Tally) -> None:
    pages = [ids[i : i + JOBS_PER_CALL] for i in range(0, len(ids), JOBS_PER_CALL)]
    with click.progressbar(length=len(ids), label=change.verb, file=sys.stderr, hidden=not sys.stderr.isatty()) as bar:
        for page in pages:
            if change.many is not None:
                tally.changed += store.perform(change.many(page))
            else:
                _change_each(page, change, store, tally)
            bar.update(len(page))


def _change_each(ids: Sequence[str], change: Change, store: Store, tally: _Tally) -> None:
    for job_id, job in zip(ids, fetch_jobs(ids, store), strict=True):
        try:
            if job is None:
                raise NoSuchJobError(job_id)
            change.one(job)
            tally.changed += 1
        except (NoSuchJobError, InvalidJobOperationError) as error:
            tally.refused.append(str(error))
