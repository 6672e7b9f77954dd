"""The lines that a worker logs: one for each outcome, so that a person can follow a graph."""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence

from rqdeps.durations import format_ms
from rqdeps.store.calls.claims import Outcome
from rqdeps.text import printable

log = logging.getLogger("rqdeps.worker")

_NAMES_SHOWN = 5

#: What a line looks like where nothing else is wished.
FORMAT = "%(asctime)s %(message)s"
TIME_FORMAT = "%H:%M:%S"


def show_log(level: str | int) -> None:
    """Shows what is logged from a level on, on standard error where the program has not said where to."""
    logging.basicConfig(format=FORMAT, datefmt=TIME_FORMAT)
    logging.getLogger("rqdeps").setLevel(level.upper() if isinstance(level, str) else level)


def note_outcome(outcome: Outcome, status: str, duration_ns: int, released: Sequence[str]) -> None:
    """Logs how an attempt ended, and which jobs that released.

    Args:
        outcome: what was reported.
        status: the job's status now, or ``"stale"`` if the report was refused.
        duration_ns: how long the attempt took.
        released: ids of the jobs released.
    """
    level = logging.WARNING if outcome.kind == "failed" or status == "stale" else logging.INFO
    if not log.isEnabledFor(level):
        return
    claim = outcome.claim
    parts = [
        f"{claim.queue}: {claim.function} [{claim.id}]",
        f"attempt {claim.attempt}",
        _what_happened(outcome, status),
        f"in {format_ms(duration_ns / 1_000_000)}",
    ]
    if released:
        more = f" and {len(released) - _NAMES_SHOWN} more" if len(released) > _NAMES_SHOWN else ""
        parts.append(f"released {', '.join(released[:_NAMES_SHOWN])}{more}")
    log.log(level, " · ".join(parts))


def _what_happened(outcome: Outcome, status: str) -> str:
    if status == "stale":
        return f"{outcome.kind}, but the claim was lost meanwhile: the report was refused"
    if outcome.kind == "finished":
        return "finished"
    if status == "joining":
        return "ran, and joins what it spawned"
    if status == "stopped":
        return "stopped, as a person asked"
    if outcome.kind == "snoozed":
        return f"snoozed for {format_ms(outcome.delay_ms)}"
    details = json.loads(outcome.value) if outcome.value else {}
    error = f"{details.get('type', '').rpartition('.')[2]}: {details.get('message', '')}".partition("\n")[0]
    error = printable(error)
    if status == "failed":
        return f"failed for good with {error}"
    when = f"in {format_ms(outcome.delay_ms)}" if outcome.delay_ms else "at once"
    return f"failed with {error}; next attempt {when}"
