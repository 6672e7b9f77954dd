"""``rqdeps info``: queues, how many jobs of each status they have, and workers."""

from __future__ import annotations

from collections.abc import Sequence

import click

from rqdeps.cli.options import url_option
from rqdeps.durations import format_ms
from rqdeps.overview import counts_per_queue
from rqdeps.status import JobStatus
from rqdeps.store import Store, connect
from rqdeps.store.calls import reads
from rqdeps.worker_info import WorkerInfo, workers

#: Shown even where no job has them.
_ALWAYS = (JobStatus.QUEUED, JobStatus.STARTED, JobStatus.FINISHED, JobStatus.FAILED)


@click.command()
@url_option
def info(url: str | None) -> None:
    """Shows queues with their jobs per status, and the workers."""
    store = connect(url, create=False)
    queues = store.perform(counts_per_queue())
    alive = store.perform(workers())
    click.echo(f"{store.address}\n")
    if queues:
        shown = [
            status for status in JobStatus if status in _ALWAYS or any(counts[status] for counts in queues.values())
        ]
        rows = [[name, *(str(counts[status]) for status in shown)] for name, counts in queues.items()]
        head = ["queue", *map(str, shown)]
        set_by_people = _settings(list(queues), store)
        if any(set_by_people):
            head.append("set to")
            rows = [[*row, text] for row, text in zip(rows, set_by_people, strict=True)]
        click.echo(table(head, rows))
    else:
        click.echo("No queues yet: the first enqueue makes one.")
    click.echo("")
    if alive:
        click.echo(table(["worker", "queues", "processes", "finished", "failed", "seen"], [_row(one) for one in alive]))
    else:
        click.echo("No workers. Start one: rqdeps worker")


def _settings(queues: Sequence[str], store: Store) -> list[str]:
    """What people have set of each queue; empty where that is nothing."""
    return [
        ", ".join(["paused"] * each.is_paused + [at_most(each.limit)] * (each.limit is not None))
        for each in store.run(reads.settings(queues))
    ]


def at_most(limit: int | None) -> str:
    """How many jobs of a queue are run at once, in words."""
    return "any number at once" if limit is None else f"at most {limit} at once"


def _row(worker: WorkerInfo) -> list[str]:
    return [
        worker.name,
        ", ".join(worker.queues),
        str(worker.processes),
        str(worker.finished),
        str(worker.failed),
        f"{format_ms(worker.age_ms)} ago",
    ]


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Rows under a head, in columns; numbers to the right."""
    widths = [max(len(row[i]) for row in [head, *rows]) for i in range(len(head))]
    lines = []
    for row in [head, *rows]:
        cells = [
            cell.rjust(width) if rows[0][i].isdigit() else cell.ljust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)
