"""Queues as a table: their jobs per status, how long the next has been ready, and what people have set."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from rqdeps.cli.screen import NO_LIMIT, columns, facts_table
from rqdeps.durations import format_ms
from rqdeps.graph.looks import LOOKS
from rqdeps.overview import counts_per_queue
from rqdeps.status import JobStatus
from rqdeps.store import Conversation
from rqdeps.store.calls import finding, reads
from rqdeps.store.conversation import ask

#: Shown even where no job has them.
_ALWAYS = (JobStatus.QUEUED, JobStatus.STARTED, JobStatus.FINISHED, JobStatus.FAILED)


@dataclass(frozen=True)
class QueueState:
    """A queue at a moment.

    Attributes:
        name: its name.
        counts: how many jobs it has of each status.
        waits_ms: how long the next of its jobs has been ready, in milliseconds; ``None`` where none is.
        is_paused: whether workers take no jobs of it.
        limit: how many of its jobs are started at once at most; ``None`` for any number.
    """

    name: str
    counts: dict[JobStatus, int]
    waits_ms: int | None
    is_paused: bool
    limit: int | None

    @property
    def set_to(self) -> str:
        """What people have set; empty where that is nothing."""
        return ", ".join(["paused"] * self.is_paused + [at_most(self.limit)] * (self.limit is not None))

    @property
    def state(self) -> object:
        """What it is shown again for when it has changed."""
        return self.name, self.counts, self.set_to

    def plain(self) -> dict[str, Any]:
        """It as plain values."""
        return {
            "name": self.name,
            "counts": {status.value: self.counts[status] for status in JobStatus},
            "waits": None if self.waits_ms is None else self.waits_ms / 1000,
            "is_paused": self.is_paused,
            "limit": self.limit,
        }


def queue_states(names: Sequence[str] = ()) -> Conversation[list[QueueState]]:
    """All queues, or those that are named and there."""
    counts = yield from counts_per_queue()
    found = [name for name in counts if not names or name in names]
    settings = yield from ask(reads.settings(found))
    waits = yield from ask(finding.waits(found))
    return [
        QueueState(name, counts[name], waited_ms, each.is_paused, each.limit)
        for name, each, waited_ms in zip(found, settings, waits, strict=True)
    ]


def at_most(limit: int | None) -> str:
    """How many jobs of a queue are run at once, in words."""
    return "any number at once" if limit is None else f"at most {limit} at once"


def queues_table(queues: Sequence[QueueState], on: Console) -> RenderableType:
    """Queues in columns; a status has one if it matters to somebody. In words where there is no room for the columns.

    Args:
        queues: the queues.
        on: where they are shown.
    """
    if not queues:
        return Text("No queues yet: the first enqueue makes one.")
    table = _in_columns(queues)
    if on.is_terminal and on.measure(table, options=on.options.update(max_width=NO_LIMIT)).maximum > on.width:
        return facts_table([(each.name, _in_words(each)) for each in queues])
    return table


def _in_words(each: QueueState) -> str:
    counts = [f"{count} {status}" for status, count in each.counts.items() if count]
    waits = [] if each.waits_ms is None else [f"the oldest for {format_ms(each.waits_ms)}"]
    return "; ".join(part for part in (", ".join(counts) or "no jobs", *waits, each.set_to) if part)


def _in_columns(queues: Sequence[QueueState]) -> Table:
    shown = [status for status in JobStatus if status in _ALWAYS or any(each.counts[status] for each in queues)]
    waits, settings = any(each.waits_ms is not None for each in queues), any(each.set_to for each in queues)
    head = ["queue", *map(str, shown), *["oldest"] * waits, *["set to"] * settings]
    rows: list[list[str | Text]] = [
        [
            each.name,
            *(_count(each.counts[status], status) for status in shown),
            *["" if each.waits_ms is None else format_ms(each.waits_ms)] * waits,
            *[each.set_to] * settings,
        ]
        for each in queues
    ]
    return columns(head, rows, numbers=[*map(str, shown), "oldest"], whole=["queue"])


def _count(count: int, status: JobStatus) -> Text:
    return Text(str(count), LOOKS[status].style if count else "dim")
