"""What a worker holds: a claimed job, from the claim until its outcome is accepted."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from rqdeps.options import DEFAULT_TIMEOUT_MS
from rqdeps.retry import Retry
from rqdeps.signing import options_of
from rqdeps.store.calls.call import Call
from rqdeps.store.calls.claims import NO_RETRY, Claimed, Outcome, OutcomeKind
from rqdeps.store.calls.reads import OutputRecord, outputs
from rqdeps.worker.execution import error_details
from rqdeps.worker.messages import Report, Task


class ReportRefusedError(Exception):
    """The server did not take the outcome of an attempt; it is larger than the server allows, for example."""


@dataclass(eq=False)
class Held:
    """A job that this worker has claimed.

    Attributes:
        claim: the claim.
        renewed_at: when its lease was last prolonged, by the monotonic clock, in seconds.
        begun_is_known: whether the server knows that the attempt has begun.
        sources: where to go on fetching the outputs that it takes: of which job, whether those that this has joined,
            and the cursor. None are left once it has all.
        outputs: the outputs fetched so far.
        is_lost: whether the claim is no longer held, so that no outcome can count.
        is_stopping: whether a person wants it stopped.
        interruptions: how often the process that was to begin it died before it had.
        death: how the process died that ran it, once another has it for what follows that; ``None`` before.
    """

    claim: Claimed
    renewed_at: float
    begun_is_known: bool
    sources: deque[tuple[str, bool, bytes]] = field(default_factory=deque)
    outputs: dict[str, tuple[str, bytes]] = field(default_factory=dict)
    is_lost: bool = False
    is_stopping: bool = False
    interruptions: int = 0
    death: Report | None = None

    @classmethod
    def of(cls, claim: Claimed, *, now: float, begins: bool) -> Held:
        """A job just claimed."""
        return cls(claim, now, begins, deque([(claim.id, False, b"0")] if claim.wants_outputs else []))

    @property
    def has_outputs(self) -> bool:
        """Whether it has all the outputs that it takes."""
        return not self.sources

    def fetch_outputs(self) -> Call[tuple[bytes, list[OutputRecord]]]:
        """The call that reads the next page of the outputs."""
        job_id, joined, cursor = self.sources[0]
        return outputs(job_id, cursor, joined=joined)

    def add_outputs(self, cursor: bytes, records: Sequence[OutputRecord]) -> None:
        """Takes that page, and the cursor of the next. Values may hold outputs in turn, of what others have joined."""
        job_id, joined, _ = self.sources.popleft()
        if cursor != b"0":
            self.sources.appendleft((job_id, joined, cursor))
        for record in records:
            if record.giver and record.job_id not in self.outputs:
                self.sources.append((record.giver, True, b"0"))
            self.outputs[record.job_id] = (record.status, record.value)

    @property
    def timeout_ms(self) -> int:
        """How long it may run; -1 means no limit."""
        return DEFAULT_TIMEOUT_MS if self.claim.timeout_ms is None else self.claim.timeout_ms

    def task(self) -> Task:
        """What a horse needs to run it."""
        claim = self.claim
        return Task(
            claim.id,
            claim.queue,
            claim.function,
            claim.payload,
            claim.attempt,
            claim.fence,
            self.timeout_ms,
            self.outputs,
            options_of(claim.timeout_ms, claim.retries, claim.retry_policy, claim.callbacks),
            claim.callbacks,
            ended="" if self.death is None else self._end_after_death,
            details=b"" if self.death is None else self.death.value,
        )

    @property
    def _end_after_death(self) -> str:
        return "stopped" if self.is_stopping else "failed"

    def outcome(self, report: Report) -> Outcome:
        """What to report to the server, with the delay until the next attempt where there may be one."""
        if report.kind == "returned":
            kind: OutcomeKind = "finished" if not report.pieces else "gives" if report.gives else "spawned"
            duration_ms = report.duration_ns // 1_000_000
            return Outcome(self.claim, kind, value=report.value, pieces=report.pieces, duration_ms=duration_ms)
        if report.kind == "snoozed":
            return Outcome(self.claim, "snoozed", report.delay_ms)
        if self.is_stopping:
            return Outcome(self.claim, "stopped", value=report.value)
        return Outcome(self.claim, "failed", self._retry_delay_ms(report), report.value)

    def refused_outcome(self, refused: Outcome, reason: str) -> Outcome:
        """What to report instead of an outcome that the server refused."""
        message = f"the server refused the report of this attempt ({len(refused.value):,} bytes): {reason}"
        name = f"{ReportRefusedError.__module__}.{ReportRefusedError.__qualname__}"
        return Outcome(self.claim, "failed", NO_RETRY, error_details(name, message, f"{name}: {message}\n"))

    def _retry_delay_ms(self, report: Report) -> int:
        claim = self.claim
        if not report.may_retry or claim.failures >= claim.retries:
            return NO_RETRY
        try:
            retry = Retry.decode(claim.retries, claim.retry_policy)
            if not retry.retries(report.error_names):
                return NO_RETRY
            return retry.delay_ms(claim.failures + 1, random.random())  # noqa: S311 - spreads load, guards nothing
        except (ValueError, LookupError):  # no release of rqdeps writes such a policy
            return NO_RETRY
