"""From a job as RQ stores it to a job to be."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, Final

from rqdeps.callbacks import Callback
from rqdeps.codec import Codec
from rqdeps.dependency import Dependency
from rqdeps.enqueue_data import EnqueueData, scheduled
from rqdeps.errors import RqdepsError, SerializationError
from rqdeps.from_rq.planning import RATE_LIMITED
from rqdeps.from_rq.reading import CannotMoveError, Loads, call_of, meta_of
from rqdeps.from_rq.server import StoredJob, Waiting
from rqdeps.ids import check_id
from rqdeps.options import JobOptions
from rqdeps.repeat import Repeat
from rqdeps.retry import Retry

#: How many retries with pauses of their own are carried: each is written out.
_MOST_PAUSES: Final = 10_000


def new_id_of(rq_id: str) -> str:
    """The id in rqdeps of a job or group: the same, or where that can't be, one that is always made of it."""
    try:
        return check_id(rq_id)
    except ValueError:
        readable = re.sub(r"[^A-Za-z0-9_.-]+", "-", rq_id)[:32]
        return f"{readable}-{hashlib.sha256(rq_id.encode()).hexdigest()[:16]}"


@dataclass(frozen=True)
class Translator:
    """Makes jobs to be.

    Attributes:
        loads: how RQ's values are read.
        codec: how arguments are written.
        nonce: tells these jobs from others with their ids.
    """

    loads: Loads
    codec: Codec
    nonce: str

    def data(self, waiting: Waiting, stored: StoredJob, pending: Sequence[str], now_ms: int) -> EnqueueData:
        """The job to be, which is held.

        Args:
            waiting: where RQ has the job.
            stored: what RQ has stored of it.
            pending: the ids in RQ of the jobs that it still waits for.
            now_ms: the present time.

        Raises:
            CannotMoveError: there is none.
        """
        _refuse_what_is_missing(stored)
        call = call_of(stored, self.loads)
        try:
            options = JobOptions.read(self._options(waiting, stored, pending, now_ms))
            data = EnqueueData.make(call.function, call.args, call.kwargs, options, self.codec, kwargs_are_meant=True)
            group = stored.text("group_id")
            data = replace(data, nonce=self.nonce, group=new_id_of(group) if group else None)
            if waiting.place == "scheduled":
                data = scheduled(data, int(waiting.score * 1000))
            data.new_job(waiting.queue)  # which finds what can't be carried in its meta
        except SerializationError as error:
            raise CannotMoveError(f"{error}{self._way_out(str(error))}") from error
        except (RqdepsError, TypeError, ValueError) as error:
            raise CannotMoveError(f"rqdeps does not take it: {error}") from error
        return data

    def _way_out(self, said: str) -> str:
        is_json = self.codec.writes.mark == b"j"
        return "; or move it with --serializer pickle" if is_json and not said.startswith("meta") else ""

    def _options(self, waiting: Waiting, stored: StoredJob, pending: Sequence[str], now_ms: int) -> dict[str, Any]:
        options: dict[str, Any] = {
            "job_id": new_id_of(waiting.id),
            "queue": waiting.queue,
            "hold": True,
            "description": stored.text("description") or None,
            "job_timeout": stored.text("timeout") or None,
            "result_ttl": stored.text("result_ttl") or None,
            "failure_ttl": stored.text("failure_ttl") or None,
            "ttl": _ttl(waiting, stored, now_ms),
            "at_front": _goes_to_front(waiting, stored),
            "meta": meta_of(stored, self.loads),
            "retry": _retry(stored),
            "repeat": _repeat(stored),
            **_callbacks(stored),
        }
        if pending:
            options["depends_on"] = Dependency(map(new_id_of, pending), allow_failure=waiting.allows_failure)
        return options


def _refuse_what_is_missing(stored: StoredJob) -> None:
    if stored.text("rate_limit_key"):
        raise CannotMoveError(RATE_LIMITED)
    if stored.text("webhooks") not in ("", "[]"):
        raise CannotMoveError(
            "it has webhooks, and rqdeps has none: let RQ run it, or enqueue it anew with on_success= and on_failure="
        )


def _ttl(waiting: Waiting, stored: StoredJob, now_ms: int) -> timedelta | str | None:
    """How long the job may still wait; RQ counts from its enqueueing, rqdeps from its time if it has one."""
    if stored.ttl_ms is None:
        return stored.text("ttl") or None
    left_ms = stored.ttl_ms
    if waiting.place == "scheduled":
        left_ms -= max(0, int(waiting.score * 1000) - now_ms)
    return timedelta(milliseconds=max(left_ms, 1))


def _goes_to_front(waiting: Waiting, stored: StoredJob) -> bool:
    """Whether the job goes to the front once it is queued; one that is has its place already."""
    if waiting.place == "queue":
        return False
    if stored.text("ended_at") and _number(stored, "enqueue_at_front_on_retry"):  # it waits for another attempt
        return True
    return bool(_number(stored, "enqueue_at_front"))


def _retry(stored: StoredJob) -> Retry | None:
    """The retries that are left, each with the pause that RQ would make before it."""
    left = _number(stored, "retries_left")
    if left <= 0:
        return None
    intervals = _intervals(stored, "retry_intervals")
    if len(set(intervals)) > 1:
        if left > _MOST_PAUSES:
            raise CannotMoveError(f"it has {left:,} retries left with different pauses; {_MOST_PAUSES:,} can be moved")
        intervals = [intervals[max(len(intervals) - then_left, 0)] for then_left in range(left, 0, -1)]
    at_front = bool(_number(stored, "enqueue_at_front_on_retry"))
    return Retry(left, intervals or 0, enqueue_at_front=at_front)


def _repeat(stored: StoredJob) -> Repeat | None:
    """The repetitions that are left; RQ takes intervals off its list as it uses them."""
    left = _number(stored, "repeats_left")
    return Repeat(left, _intervals(stored, "repeat_intervals") or 0) if left > 0 else None


def _intervals(stored: StoredJob, name: str) -> list[float]:
    written = stored.fields.get(name)
    try:
        found = json.loads(written) if written else []
    except ValueError as error:
        raise CannotMoveError(f"its {name} can't be read: {error}") from error
    return found if isinstance(found, list) else [found]


def _callbacks(stored: StoredJob) -> dict[str, Callback]:
    found = {}
    for option, name in (("on_success", "success"), ("on_failure", "failure"), ("on_stopped", "stopped")):
        if path := stored.text(f"{name}_callback_name"):
            found[option] = Callback(path, stored.text(f"{name}_callback_timeout") or None)
    return found


def _number(stored: StoredJob, name: str) -> int:
    text = stored.text(name)
    try:
        return int(text) if text else 0
    except ValueError as error:
        raise CannotMoveError(f"its {name} is no number, but {text!r}") from error
