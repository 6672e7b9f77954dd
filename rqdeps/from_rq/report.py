"""What a migration has done, or would do, for people and for programs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from rqdeps.from_rq.layout import PLACES
from rqdeps.from_rq.planning import Staying
from rqdeps.from_rq.server import Waiting
from rqdeps.from_rq.translation import new_id_of
from rqdeps.text import times

#: How many jobs that stay are listed, unless all are asked for as JSON.
LISTED = 100

#: What jobs in RQ's places are called.
_WORDS = {"queue": "queued", "ready": "ready", "scheduled": "scheduled", "deferred": "deferred"}


@dataclass
class Report:
    """What a migration has done, or would do.

    Attributes:
        is_dry: whether nothing was done.
        moved: how many jobs were moved, by queue and place in RQ.
        renamed: the new ids of those whose id rqdeps does not take.
        released: how many jobs of an earlier run, taken out of RQ then, were let go in rqdeps now.
        discarded: how many jobs of an earlier run were staged in rqdeps then, and deleted there now.
        staying: the jobs that stay in RQ, by their ids.
    """

    is_dry: bool = False
    moved: Counter[tuple[str, str]] = field(default_factory=Counter)
    renamed: dict[str, str] = field(default_factory=dict)
    released: int = 0
    discarded: int = 0
    staying: dict[str, Staying] = field(default_factory=dict)

    def note_moved(self, jobs: Iterable[Waiting]) -> None:
        """Notes jobs that were moved, or would be."""
        for one in jobs:
            self.moved[one.queue, one.place] += 1
            if new_id_of(one.id) != one.id:
                self.renamed[one.id] = new_id_of(one.id)

    def note_staying(self, staying: Iterable[Staying]) -> None:
        """Notes jobs that stay."""
        self.staying.update((one.id, one) for one in staying)

    @property
    def count(self) -> int:
        """How many jobs were moved, or would be."""
        return self.moved.total()

    def lines(self) -> Iterator[str]:
        """What to tell a person."""
        was = "would be" if self.is_dry else "was"
        if self.released:
            yield f"{times(self.released, 'job')} that an earlier run had taken out of RQ {was} let go in rqdeps"
        if self.discarded:
            yield f"{times(self.discarded, 'job')} that an earlier run had only prepared {was} deleted in rqdeps"
        yield f"{times(self.count, 'job')} {'would be moved' if self.is_dry else 'moved'}"
        for queue in sorted({queue for queue, _ in self.moved}):
            counts = [(self.moved[queue, place], _WORDS[place]) for place in PLACES]
            yield f"  {queue}: {', '.join(f'{count} {word}' for count, word in counts if count)}"
        for old, new in self.renamed.items():
            yield f"  {old!r} is {new!r} now"
        if self.staying:
            yield f"{times(len(self.staying), 'job')} {'would stay' if self.is_dry else 'stayed'} in RQ"
        for one in list(self.staying.values())[:LISTED]:
            yield f"  {one.id} ({one.queue}): {one.reason}"
        if len(self.staying) > LISTED:
            yield f"  … and {len(self.staying) - LISTED} more; --json lists all"

    def plain(self) -> dict[str, Any]:
        """The same as plain values."""
        queues: dict[str, dict[str, int]] = {}
        for (queue, place), count in sorted(self.moved.items()):
            queues.setdefault(queue, {})[_WORDS[place]] = count
        return {
            "dry_run": self.is_dry,
            "moved": self.count,
            "queues": queues,
            "renamed": self.renamed,
            "released_of_earlier_run": self.released,
            "discarded_of_earlier_run": self.discarded,
            "staying": [{"id": one.id, "queue": one.queue, "reason": one.reason} for one in self.staying.values()],
        }
