"""The options of a job, read and checked once, at the edge."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final, NamedTuple, TypedDict

from rqdeps.callbacks import NO_CALLBACKS, Callback, Callbacks
from rqdeps.dependency import Dependency, DependsOn, Rule, check_rule, groups_of
from rqdeps.durations import LONGEST_MS, to_ms
from rqdeps.fallback import Fallback
from rqdeps.ids import check_id, check_queue_name
from rqdeps.repeat import Repeat
from rqdeps.retry import Retry

#: How long something takes: seconds, a ``timedelta``, or a text such as ``"1h30m"``.
Duration = int | float | str | timedelta

#: How long a job may run unless it says otherwise, in milliseconds.
DEFAULT_TIMEOUT_MS: Final = 180_000

#: How long what a job returns is kept, and a job that failed, unless it says otherwise, in milliseconds; `lib/move` has
#: them too.
RESULT_TTL_MS: Final = 600_000
FAILURE_TTL_MS: Final = 365 * 86_400_000

#: A job that may run, or be kept, for ever.
FOREVER: Final = -1


class Options(TypedDict, total=False):
    """What can be said of a job beside its function and arguments, by RQ's names.

    Durations are seconds, a ``timedelta``, or a text such as ``"1h30m"``; -1 means for ever.

    Attributes:
        job_id: an id of one's own; a second job with it is refused.
        job_timeout: how long one attempt may run (default 180 s).
        result_ttl: how long the return value is kept (default 10 minutes).
        failure_ttl: how long a failed job is kept (default one year).
        ttl: how long the job may wait before it starts; after that it is canceled.
        description: a text for people.
        depends_on: what to wait for: jobs, ids, or groups with rules (``Dependency``).
        at_front: whether the job goes to the front of its queue.
        enqueue_at_front: RQ's other name for ``at_front``.
        meta: a dictionary that goes with the job.
        retry: a number of retries, or a ``Retry``.
        repeat: how often it runs again after it has succeeded, and when: a ``Repeat``.
        unique: has no effect, as ids are always unique; it needs a ``job_id``.
        run_after_failure: short for ``depends_on=Dependency(..., rule="all_done")``.
        allow_partial_dependencies: short for ``rule="all_done_min_one_success"``.
        fallback: what stands in for the job once it has failed for good: a function, which gets the job's own
            arguments, or a ``Fallback``.
        on_success: what is called when the job's function has returned: a function, or a ``Callback``. It gets the job,
            a connection and the result.
        on_failure: what is called when it has raised, with the job, a connection, and the type, value and traceback of
            the error.
        on_stopped: what is called when a person has stopped it, with the job and a connection.
    """

    job_id: str | None
    job_timeout: Duration | None
    result_ttl: Duration | None
    failure_ttl: Duration | None
    ttl: Duration | None
    description: str | None
    depends_on: DependsOn
    at_front: bool
    enqueue_at_front: bool
    meta: dict[str, Any] | None
    retry: int | Retry | None
    repeat: Repeat | None
    unique: bool
    run_after_failure: bool
    allow_partial_dependencies: bool
    fallback: Callable[..., Any] | str | Fallback | None
    on_success: Callable[..., Any] | str | Callback | None
    on_failure: Callable[..., Any] | str | Callback | None
    on_stopped: Callable[..., Any] | str | Callback | None


class AllOptions(Options, total=False):
    """The options of ``enqueue``, and those that only ``Queue.options`` takes: their names stay free for arguments.

    Attributes:
        hold: whether the job is only saved, to be let go by ``job.release()``.
        queue: the name of its queue, where that is another than the one that would take it.
        rule: of a job that another spawns: the trigger rule by which the other joins it (default ``"none_failed"``).
    """

    hold: bool
    queue: str | None
    rule: Rule | None


#: The options whose names ``enqueue`` keeps for itself.
OPTION_NAMES: Final = frozenset(Options.__annotations__)

#: All options of this release.
ALL_OPTION_NAMES: Final = OPTION_NAMES | frozenset(AllOptions.__annotations__)

#: Names that ``enqueue`` keeps for options of RQ that are not there, so that a program written for RQ gets an error and
#: not a surprise; each with what to do instead.
RESERVED_NAMES: Final = {
    "pipeline": "several jobs are enqueued in one step, all or none of them, by enqueue_many",
    "rate_limit": "Queue.limit says how many jobs of a queue may run at once",
    "webhooks": "on_success and on_failure take a function, which may call a URL",
}


@dataclass  # and not frozen, which would take three times as long to make: nobody changes one all the same
class JobOptions:
    """The options of one job, checked. Durations are milliseconds; ``None`` means the default, -1 for ever."""

    job_id: str | None = None
    timeout_ms: int | None = None
    result_ttl_ms: int | None = None
    failure_ttl_ms: int | None = None
    ttl_ms: int | None = None
    description: str | None = None
    groups: tuple[Dependency, ...] = ()
    at_front: bool = False
    meta: dict[str, Any] | None = None
    retry: Retry | None = None
    repeat: Repeat | None = None
    fallback: Fallback | None = None
    callbacks: Callbacks = NO_CALLBACKS
    hold: bool = False
    queue: str | None = None
    rule: Rule | None = None

    @staticmethod
    def named(options: Mapping[str, Any], **other_names: object) -> dict[str, Any]:
        """Options some of which were given under other names.

        Args:
            options: the options.
            **other_names: by the option's own name, what was given for it under another; ``None`` is nothing.

        Raises:
            TypeError: one was given under both.
        """
        named = dict(options)
        for name, value in other_names.items():
            if value is not None and named.get(name) is not None:
                raise TypeError(f"{name} was given under two names; give one")
            if value is not None:
                named[name] = value
        return named

    @classmethod
    def read(cls, options: Mapping[str, Any], *, spawns: bool = False) -> JobOptions:
        """Reads options by their names.

        Args:
            options: the options.
            spawns: whether they are for jobs that another spawns, and joins by a rule.

        Raises:
            TypeError: an unknown option, or a value of the wrong kind.
            ValueError: a value that makes no sense, or an option that this release does not have.
        """
        if not options:
            return NO_OPTIONS
        _refuse_unknown(options)
        given = {name: value for name, value in options.items() if value is not None}
        if "rule" in given and not spawns:
            raise ValueError(
                "rule= says how a job joins what it spawns: to wait for others by a rule, give "
                "depends_on=Dependency(jobs, rule=...)"
            )
        flags = {name: _flag(name, value) for name, value in given.items() if name in _FLAGS}
        if flags.get("unique") and "job_id" not in given:
            raise ValueError("unique=True is about the job_id; give one")
        groups = groups_of(
            given.get("depends_on"),
            run_after_failure=flags.get("run_after_failure", False),
            allow_partial_dependencies=flags.get("allow_partial_dependencies", False),
        )
        at_front = flags.get("at_front") or flags.get("enqueue_at_front")
        read = {}
        for name, value in given.items():
            if reader := _READERS.get(name):
                read[reader.attribute] = reader.read(value)
        return cls(
            **read,
            groups=groups,
            at_front=at_front or any(group.enqueue_at_front for group in groups),
            callbacks=Callbacks.of(given),
            hold=flags.get("hold", False),
        )

    def refuse_repeat(self, kind: str) -> None:
        """Raises ``ValueError`` if a job of a kind is to repeat that can't: others wait for it to have ended."""
        if self.repeat is not None:
            raise ValueError(f"{kind} can't repeat: what waits for its end would wait anew; enqueue it by itself")

    def plain(self) -> dict[str, Any]:
        """The options that each element of a map takes over, as plain values that can be carried.

        ``restored`` makes options of them again, in a worker.
        """
        values: dict[str, Any] = {
            name: value for name in _CARRIED if (value := getattr(self, name)) not in (None, False)
        }
        if self.retry is not None:
            values["retry"] = [self.retry.max, self.retry.encode()]
        if callbacks := self.callbacks.encode():
            values["callbacks"] = callbacks
        return values

    @classmethod
    def restored(cls, values: Mapping[str, Any], fallback: Fallback | None = None) -> JobOptions:
        """What ``plain`` carried."""
        options = {name: value for name, value in values.items() if name in _CARRIED}
        retry = values.get("retry")
        return cls(
            **options,
            retry=None if retry is None else Retry.decode(*retry),
            callbacks=Callbacks.decode(values.get("callbacks", "")),
            fallback=fallback,
        )


#: The options of a job of which nothing was said.
NO_OPTIONS: Final = JobOptions()

#: The options that are carried to each element of a map as they are.
_CARRIED: Final = (
    "timeout_ms",
    "result_ttl_ms",
    "failure_ttl_ms",
    "ttl_ms",
    "description",
    "at_front",
    "meta",
    "queue",
)


def _refuse_unknown(options: Mapping[str, Any]) -> None:
    for name, value in options.items():
        if name in RESERVED_NAMES:
            if value is not None:
                raise ValueError(
                    f"rqdeps has no option {name!r}: {RESERVED_NAMES[name]}; to pass it to the function, "
                    f"use kwargs={{{name!r}: ...}}"
                )
        elif name not in ALL_OPTION_NAMES:
            raise TypeError(f"there is no option {name!r}; the options are: {', '.join(sorted(ALL_OPTION_NAMES))}")


def _flag(name: str, value: object) -> bool:
    if not isinstance(value, bool):
        raise TypeError(f"{name} is True or False, not {value!r}")
    return value


def timeout_ms(value: Duration | None, name: str) -> int | None:
    """A time limit in milliseconds, -1 for none.

    Args:
        value: the limit; ``None`` is none.
        name: what errors call it.

    Raises:
        TypeError: it is no duration.
        ValueError: it is one that can't be, or 0.
    """
    limit_ms = to_ms(value, name, forever=True)
    if limit_ms == 0:
        raise ValueError(f"{name} is 0, which leaves no time to run; -1 means no limit")
    return limit_ms


def _ttl_ms(value: Duration | None) -> int | None:
    ttl_ms = to_ms(value, "ttl", forever=True)
    if ttl_ms == 0:
        raise ValueError("ttl is 0, which leaves no time to start; leave it out to wait without limit")
    return None if ttl_ms == FOREVER else ttl_ms


def _text(value: object, name: str) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str):
        raise TypeError(f"{name} is a text, not {type(value).__name__}")
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise ValueError(f"{name} can't be stored as UTF-8: {error}") from None
    return value


def _meta(value: object) -> dict[str, Any] | None:
    if value is not None and not isinstance(value, dict):
        raise TypeError(f"meta is a dictionary, not {type(value).__name__}")
    return value or None


#: The options that are True or False.
_FLAGS: Final = frozenset(
    {"unique", "run_after_failure", "allow_partial_dependencies", "at_front", "enqueue_at_front", "hold"}
)


class _Reader(NamedTuple):
    """How an option is read, and which attribute of ``JobOptions`` it becomes."""

    attribute: str
    read: Callable[[Any], Any]


#: The options that are read by themselves.
_READERS: Final = {
    "job_id": _Reader("job_id", check_id),
    "job_timeout": _Reader("timeout_ms", partial(timeout_ms, name="job_timeout")),
    "result_ttl": _Reader("result_ttl_ms", partial(to_ms, name="result_ttl", forever=True)),
    "failure_ttl": _Reader("failure_ttl_ms", partial(to_ms, name="failure_ttl", forever=True)),
    "ttl": _Reader("ttl_ms", _ttl_ms),
    "description": _Reader("description", partial(_text, name="description")),
    "meta": _Reader("meta", _meta),
    "retry": _Reader("retry", Retry.of),
    "repeat": _Reader("repeat", Repeat.of),
    "fallback": _Reader("fallback", Fallback.of),
    "queue": _Reader("queue", check_queue_name),
    "rule": _Reader("rule", check_rule),
}


def at_ms(moment: datetime) -> int:
    """A moment as milliseconds since 1970.

    Raises:
        TypeError: it is no datetime.
        ValueError: it has no time zone, or is more than 100 years ahead.
    """
    if not isinstance(moment, datetime):
        raise TypeError(f"a datetime says when, not {type(moment).__name__}")
    if moment.tzinfo is None:
        raise ValueError(
            f"{moment!r} has no time zone, so it could mean different moments here and on the worker: "
            f"use datetime.now(timezone.utc) or .astimezone()"
        )
    milliseconds = math.ceil(moment.timestamp() * 1000)
    if milliseconds - time.time() * 1000 > LONGEST_MS:
        raise ValueError(f"{moment!r} is more than 100 years ahead")
    return max(milliseconds, 0)
