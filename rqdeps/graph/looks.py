"""How each status looks, wherever a graph is shown."""

from __future__ import annotations

from dataclasses import dataclass

from rqdeps.status import JobStatus


@dataclass(frozen=True)
class Look:
    """How a status looks.

    Attributes:
        mark: one sign.
        style: its colour in a terminal.
        fill: its colour in a picture.
    """

    mark: str
    style: str
    fill: str


#: ``None`` stands for a job that has been deleted.
LOOKS: dict[JobStatus | None, Look] = {
    JobStatus.CREATED: Look("◌", "dim", "#f2f2f2"),
    JobStatus.DEFERRED: Look("○", "dim", "#f2f2f2"),
    JobStatus.SCHEDULED: Look("◷", "cyan", "#d8eef5"),
    JobStatus.QUEUED: Look("●", "cyan", "#d8eef5"),
    JobStatus.STARTED: Look("▶", "bold blue", "#bcd7fb"),
    JobStatus.JOINING: Look("⑂", "blue", "#d9e5fb"),
    JobStatus.FINISHED: Look("✔", "green", "#cdeccd"),
    JobStatus.FAILED: Look("✖", "bold red", "#f7c0bd"),
    JobStatus.STOPPED: Look("■", "magenta", "#ecd0ec"),
    JobStatus.CANCELED: Look("⊘", "magenta", "#ecd0ec"),
    JobStatus.UPSTREAM_FAILED: Look("▽", "red", "#fbe0de"),
    JobStatus.SKIPPED: Look("↷", "dim", "#ffffff"),
    None: Look("†", "dim", "#ffffff"),
}
