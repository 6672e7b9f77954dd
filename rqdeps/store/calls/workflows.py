"""The calls that read workflows: what they count, and who belongs to them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rqdeps.errors import NoSuchWorkflowError
from rqdeps.store.calls.call import Call, counted, pairs, text, texts


@dataclass(frozen=True)
class Duration:
    """How long the calls of a function took that have finished: how many there were, and their mean in milliseconds."""

    samples: int
    mean_ms: float


@dataclass(frozen=True)
class WorkflowRecord:
    """A workflow, as it is stored.

    Attributes:
        fields: those of its own job.
        counts: how many members have each status.
        queues: the queues of its members.
        open_calls: how many calls of each function have yet to return, but for fallbacks.
        durations: how long such calls have taken so far, in all workflows.
    """

    fields: dict[str, bytes]
    counts: dict[str, int]
    queues: list[str]
    open_calls: dict[str, int]
    durations: dict[str, Duration]


def workflow(workflow_id: str) -> Call[WorkflowRecord]:
    """What a workflow counts.

    Raises:
        NoSuchWorkflowError: there is no such workflow.
    """

    def read(reply: list[Any] | None) -> WorkflowRecord:
        if reply is None:
            raise NoSuchWorkflowError(workflow_id)
        fields, counts, durations = map(pairs, reply)
        kinds: dict[str, dict[str, int]] = {"": {}, "function": {}, "queue": {}}
        for name, count in counts.items():
            kind, colon, rest = name.partition(":")
            kinds[kind if colon else ""][rest if colon else name] = int(count)
        kinds[""].pop("entered", None)
        return WorkflowRecord(
            fields=fields,
            counts=kinds[""],
            queues=sorted(kinds["queue"]),
            open_calls={function: count for function, count in kinds["function"].items() if count},
            durations={function: _duration(text(known)) for function, known in durations.items()},
        )

    return Call("workflow", [workflow_id], read, writes=False)


def _duration(known: str) -> Duration:
    samples, _, total_ms = known.partition(":")
    return Duration(int(samples), int(total_ms) / int(samples)) if known else Duration(0, 0.0)


def members(workflow_id: str, after: str = "0", *, statuses: Sequence[str] = ()) -> Call[tuple[str, list[str]]]:
    """The ids of a workflow's members, one page, in the order in which they came.

    The result is the place to go on from, ``"-1"`` at the end, and the ids.

    Args:
        workflow_id: the workflow.
        after: the place of the last one known.
        statuses: those wanted; none for all.
    """
    return Call(
        "members",
        [workflow_id, after, *counted(statuses)],
        lambda reply: (_place(reply[0]), texts(reply[1])),
        writes=False,
    )


def _place(value: int | bytes) -> str:
    return str(value) if isinstance(value, int) else value.decode()


def workflows(*, offset: int, count: int) -> Call[tuple[int, list[str]]]:
    """The ids of workflows, one page, the latest first; with the offset to go on from, -1 at the end."""
    return Call("workflows", [offset, count], lambda reply: (int(reply[0]), texts(reply[1])), writes=False)
