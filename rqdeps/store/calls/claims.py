"""The calls of a worker about what it holds: report and claim, renew, give back."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, NamedTuple

from rqdeps.store.calls.call import Argument, Call, counted, text, texts

#: ``spawned`` and ``gives``: it has run and is to join what it spawned; the result of the latter holds outputs of that.
OutcomeKind = Literal["finished", "spawned", "gives", "failed", "snoozed", "stopped"]

#: In place of a delay: no further attempt, whatever retries are left.
NO_RETRY = -1


class Claimed(NamedTuple):
    """A job that a worker holds.

    Attributes:
        id: the job.
        queue: its queue.
        fence: the number that proves the claim.
        attempt: which attempt this is, from 1.
        failures: how many attempts have failed so far.
        retries: how many failures may be followed by another attempt.
        function: the dotted path of its function.
        payload: its arguments, serialized.
        timeout_ms: how long it may run, or ``None`` for the default.
        retry_policy: when to try again, as ``Retry.decode`` reads it.
        wants_outputs: whether it takes return values of other jobs.
        callbacks: what is called when it has run, as ``Callbacks.decode`` reads it.
    """

    id: str
    queue: str
    fence: int
    attempt: int
    failures: int
    retries: int
    function: str
    payload: bytes
    timeout_ms: int | None
    retry_policy: str
    wants_outputs: bool
    callbacks: str = ""


class Outcome(NamedTuple):
    """How an attempt ended.

    Attributes:
        claim: the claim it was made under.
        kind: how it ended.
        delay_ms: when the job may run again: after a failure with retries left, or a snooze; or ``NO_RETRY``.
        value: the result, or what happened.
        pieces: of the graph that it spawned, so many stand behind the gate of its claim.
        duration_ms: how long it took, in milliseconds.
    """

    claim: Claimed
    kind: OutcomeKind
    delay_ms: int = NO_RETRY
    value: bytes = b""
    pieces: int = 0
    duration_ms: int = 0

    @property
    def number(self) -> int:
        """The number that goes with its kind."""
        return self.pieces or self.delay_ms


@dataclass(frozen=True)
class Settled:
    """What a worker is told in reply to its report.

    Attributes:
        statuses: the status of each job that was reported, or ``"stale"`` if the claim was no longer held.
        released: the jobs that were released, each with the dependency whose end did it.
        claimed: the jobs claimed.
        cascades_left: how many cascades exceeded the budget, and have to be carried on.
        has_more: whether the queues may hold more jobs.
    """

    statuses: list[str]
    released: list[tuple[str, str]]
    claimed: list[Claimed]
    cascades_left: int
    has_more: bool


def settle(
    outcomes: Sequence[Outcome],
    *,
    holder: str,
    lease_ms: int,
    queues: Sequence[str],
    want: int,
    begin: int,
    look: bool = True,
) -> Call[Settled]:
    """Reports outcomes, releases the dependents, then claims jobs.

    Args:
        outcomes: what to report; may be empty.
        holder: the name under which to claim.
        lease_ms: how long a claim holds without being renewed, in milliseconds.
        queues: where to claim, in order of preference.
        want: how many jobs to claim at most.
        begin: how many of them, from the first, begin at once.
        look: whether to look for jobs even if this report releases none.
    """
    args: list[Argument] = [holder, lease_ms, want, begin, int(look), *counted(queues), len(outcomes)]
    for outcome in outcomes:
        claim = outcome.claim
        args += [claim.id, claim.fence, outcome.kind, claim.attempt, outcome.number, outcome.duration_ms]
        args.append(outcome.value)
    return Call("settle", args, _read_settled)


def _read_settled(reply: list[Any]) -> Settled:
    statuses, released, claimed, left, more = reply
    return Settled(
        statuses=texts(statuses),
        released=[(text(released[i]), text(released[i + 1])) for i in range(0, len(released), 2)],
        claimed=[_claimed(fields) for fields in claimed],
        cascades_left=left,
        has_more=bool(more),
    )


#: The function of a job whose fields can't be read: none, so that it fails, and nothing else does.
UNREADABLE: Final = "(unreadable)"


def _claimed(fields: list[Any]) -> Claimed:
    """A job that was claimed; as one without a function if what is stored of it makes no sense."""
    try:
        return _read_claimed(fields)
    except ValueError:  # which no release of rqdeps writes
        job_id, queue, fence, attempt = fields[:4]
        return Claimed(
            id=job_id.decode("utf-8", "replace"),
            queue=queue.decode("utf-8", "replace"),
            fence=int(fence),
            attempt=attempt,
            failures=0,
            retries=0,
            function=UNREADABLE,
            payload=b"",
            timeout_ms=None,
            retry_policy="",
            wants_outputs=False,
        )


#: Of a job without time limit, retries, outputs and callbacks nothing of them is said.
_NO_POLICIES: Final = (b"", b"", b"", b"")


def _read_claimed(fields: list[Any]) -> Claimed:
    job_id, queue, fence, attempt, failures, retries, function, payload, *policies = fields
    timeout, retry_policy, outputs, callbacks = policies or _NO_POLICIES
    return Claimed(
        job_id.decode(),
        queue.decode(),
        int(fence),
        attempt,
        failures,
        retries,
        function.decode(),
        payload,
        int(timeout) if timeout else None,
        retry_policy.decode(),
        bool(outputs),
        callbacks.decode(),
    )


#: How it stands with a claim: it is held, it is lost, or it is held and a person wants its job stopped.
ClaimState = Literal["held", "lost", "to be stopped"]

_CLAIM_STATES: Final[Sequence[ClaimState]] = ("held", "lost", "to be stopped")


def renew(claims: Sequence[tuple[Claimed, bool]], *, lease_ms: int) -> Call[list[ClaimState]]:
    """Prolongs leases. The result says how it stands with each claim.

    Args:
        claims: each claim, and whether its attempt has begun.
        lease_ms: how long the claims hold from now on, in milliseconds.
    """
    args: list[Argument] = [lease_ms, len(claims)]
    for claim, has_begun in claims:
        args += [claim.id, claim.fence, claim.attempt if has_begun else 0]
    return Call("renew", args, lambda reply: [_CLAIM_STATES[state] for state in reply])


def give_back(claims: Sequence[Claimed]) -> Call[int]:
    """Returns jobs to the front of their queues, in the order of the list. The result counts those still held."""
    args: list[Argument] = [len(claims)]
    for claim in claims:
        args += [claim.id, claim.fence]
    return Call("give_back", args, int)


def reclaim(queue: str, *, holder: str, offset: int, known: Collection[Claimed]) -> Call[tuple[int, int]]:
    """Gives back what was claimed in calls whose reply was lost, one page of a queue's claims at a time.

    The result is the next offset (-1 at the end) and how many jobs went back.

    Args:
        queue: whose claims to look at.
        holder: the name under which the lost claims were made.
        offset: how many claims to pass over; 0 at first.
        known: the claims that the worker knows it holds.
    """
    return Call("reclaim", [queue, holder, offset, *counted([f"{claim.id}:{claim.fence}" for claim in known])], tuple)


def take(job_id: str, *, holder: str, lease_ms: int) -> Call[tuple[Claimed | None, int]]:
    """Claims one job by its id, if it waits in its queue, and begins it.

    The result is what was claimed, and how many cascades exceeded the budget, and have to be carried on.

    Args:
        job_id: the job.
        holder: the name under which to claim, which claims nothing else meanwhile: sent again, it gets the same claim.
        lease_ms: how long the claim holds without being renewed, in milliseconds.
    """

    def read(reply: list[Any]) -> tuple[Claimed | None, int]:
        taken, left = reply
        return _claimed(taken[0]) if taken else None, left

    return Call("take", [holder, lease_ms, job_id], read)
