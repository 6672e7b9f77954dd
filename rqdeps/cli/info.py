"""``rqdeps info``: queues, how many jobs of each status they have, and workers."""

from __future__ import annotations

from collections.abc import Sequence

import click

from rqdeps.cli.options import url_option
from rqdeps.durations import format_ms
from rqdeps.registry import WorkerInfo, counts_per_queue, workers
from rqdeps.status import JobStatus
from rqdeps.store import connect

#: Shown even where no job has them.
_ALWAYS = (JobStatus.QUEUED, JobStatus.STARTED, JobStatus.FINISHED, JobStatus.FAILED)


@click.command()
@url_option
def info(url: str | None) -> None:
    """Shows queues with their jobs per status, and the workers."""
    store = connect(url, create=False)
    queues = counts_per_queue(store)
    alive = workers(store)
    click.echo(f"{store.address}\n")
    if queues:
        shown = [
            status for status in JobStatus if status in _ALWAYS or any(counts[status] for counts in queues.values())
        ]
        rows = [[name, *(str(counts[status]) for status in shown)] for name, counts in queues.items()]
        click.echo(table(["queue", *map(str, shown)], rows))
    else:
        click.echo("No queues yet: the first enqueue makes one.")
    click.echo("")
    if alive:
        click.echo(table(["worker", "queues", "processes", "finished", "failed", "seen"], [_row(one) for one in alive]))
    else:
        click.echo("No workers. Start one: rqdeps worker")


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
