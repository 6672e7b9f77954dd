"""``rqdeps workers``: who runs jobs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import click
from rich.console import RenderableType
from rich.text import Text

from rqdeps.cli.options import json_option, url_option, watch_option
from rqdeps.cli.plain import time_text
from rqdeps.cli.screen import columns, is_narrow
from rqdeps.cli.watching import View, present
from rqdeps.durations import format_ms
from rqdeps.finding import JobFilter, find
from rqdeps.status import JobStatus
from rqdeps.store import Conversation, connect
from rqdeps.worker_info import WorkerInfo
from rqdeps.worker_info import workers as workers_known

#: How many jobs that run are looked at: more than workers take at once.
_MOST_STARTED = 5_000


@dataclass(frozen=True)
class WorkerState:
    """A worker at a moment.

    Attributes:
        info: what it says of itself.
        started: how many jobs it has taken and not reported.
    """

    info: WorkerInfo
    started: int

    @property
    def state(self) -> object:
        """What it is shown again for when it has changed."""
        return self.info.name, self.info.is_alive, self.started, self.info.finished, self.info.failed

    def plain(self) -> dict[str, Any]:
        """It as plain values."""
        info = self.info
        return {
            "name": info.name,
            "is_alive": self.info.is_alive,
            "queues": info.queues,
            "processes": info.processes,
            "started": self.started,
            "finished": info.finished,
            "failed": info.failed,
            "host": info.host,
            "pid": info.pid,
            "version": info.version,
            "since": time_text(info.birth_date),
            "seen": info.age_ms / 1000,
        }


def worker_states(queues: Sequence[str] = ()) -> Conversation[list[WorkerState]]:
    """The workers that gave a sign of life in the last minute; of some queues only, if they are named."""
    known = yield from workers_known()
    found = yield from find(JobFilter(statuses=(JobStatus.STARTED,)), _MOST_STARTED, facts=("function", "holder"))
    started = Counter(job.worker for job in found.jobs)
    return [
        WorkerState(info, started[info.name]) for info in known if not queues or not set(queues).isdisjoint(info.queues)
    ]


def workers_table(found: Sequence[WorkerState], *, wide: bool) -> RenderableType:
    """Workers in columns.

    Args:
        found: the workers.
        wide: whether with where they are and what they run.
    """
    if not found:
        return Text("No workers. Start one: rqdeps worker")
    head = ["worker", "queues", "processes", "started", "finished", "failed", "seen"]
    more = ["host", "process", "version"] if wide else []
    return columns([*head, *more], [_row(each, wide=wide) for each in found], numbers=head[2:6], whole=["worker"])


def _row(each: WorkerState, *, wide: bool) -> list[str | Text]:
    info = each.info
    seen = f"{format_ms(info.age_ms)} ago"
    row: list[str | Text] = [
        info.name,
        ", ".join(info.queues),
        *map(str, (info.processes, each.started, info.finished, info.failed)),
        seen if info.is_alive else Text(f"{seen}, gives no sign of life", "bold red"),
    ]
    return [*row, info.host, str(info.pid), info.version] if wide else row


@click.command(short_help="Lists workers.")
@click.option("--queue", "-q", "queues", multiple=True, metavar="NAME", help="Those of this queue; may be repeated.")
@json_option
@watch_option
@url_option
def workers(queues: tuple[str, ...], as_json: bool, watch: bool, url: str | None) -> None:
    """Lists the workers that gave a sign of life in the last minute, and what they have done."""
    store = connect(url, create=False)

    def look() -> View:
        found = store.perform(worker_states(queues))
        return View(
            lambda: [each.plain() for each in found],
            lambda on: workers_table(found, wide=not is_narrow(on)),
            state=[each.state for each in found],
        )

    present(look, as_json=as_json, watch=watch)
