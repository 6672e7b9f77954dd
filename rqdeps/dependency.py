"""Dependencies as plain values: groups of jobs to wait for, the rule of each group, and the outputs passed on."""

from __future__ import annotations

from collections.abc import Awaitable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal, NoReturn, Protocol, get_args

from rqdeps.ids import repeated

#: When a group of dependencies lets the job run that waits for them.
Rule = Literal[
    "all_success",
    "all_failed",
    "all_done",
    "one_success",
    "one_failed",
    "one_done",
    "none_failed",
    "none_failed_min_one_success",
    "none_skipped",
    "all_done_min_one_success",
]

#: Every trigger rule, by Airflow's names and with their meaning; the last is Airflow 3's.
RULES: Final[tuple[Rule, ...]] = get_args(Rule)

#: Rules that a group of exactly one job meets only if that job finishes.
_SUCCESS_OF_THE_ONLY_ONE: Final = frozenset(
    {"all_success", "one_success", "none_failed_min_one_success", "all_done_min_one_success"}
)


#: Rules of which two groups mean the same as one group of both.
ADDITIVE_RULES: Final = frozenset({"all_success", "all_failed", "all_done", "none_failed", "none_skipped"})


#: How many groups of dependencies a job can have.
MOST_GROUPS: Final = 32


class HasId(Protocol):
    """Anything with a job's id: a ``Job``, or the ``EnqueueData`` of a job to be."""

    @property
    def id(self) -> str:
        """The job's id."""
        ...


#: A job, or its id.
JobRef = HasId | str


class _Required:
    """The default of an output that has none."""

    def __repr__(self) -> str:
        return "REQUIRED"


REQUIRED: Final = _Required()


@dataclass(frozen=True)
class Output:
    """Stands for another job's return value inside arguments; replaced by the value when the job runs.

    Made by ``job.output`` and ``job.output_or(default)``.

    Attributes:
        job_id: the job whose return value is wanted.
        default: what to pass where that job has not finished; without one, the value is required.
    """

    job_id: str
    default: Any = field(default=REQUIRED)

    def __repr__(self) -> str:
        return f"<output of {self.job_id}{'' if self.is_required else f', or {self.default!r}'}>"

    @property
    def is_required(self) -> bool:
        """Whether there is no default to fall back on."""
        return self.default is REQUIRED

    def __copy__(self) -> Output:
        return self  # as nothing of it changes

    def __deepcopy__(self, memo: object) -> Output:
        return self

    def __reduce__(self) -> NoReturn:
        raise TypeError(
            f"the output of job {self.job_id!r} can't be pickled by itself: pass it as an argument of its own, which "
            f"is replaced by the value when the job runs"
        )

    def __format__(self, spec: str) -> str:
        raise TypeError(
            f"the output of job {self.job_id!r} is known only once it has run, and can't be part of a text yet: "
            f"pass it as an argument of its own, and make the text inside the job"
        )

    def __getitem__(self, item: object) -> NoReturn:
        raise TypeError(
            f"the output of job {self.job_id!r} is known only once it has run, and has no {item!r} to take out yet: "
            f"pass it whole, and take out what you want inside the job; or map a function over it with Queue.map"
        )


def note_output(known: dict[str, Output], output: Output) -> None:
    """Adds an output to those met, of which there is one for each job: a required one stays, whatever follows."""
    other = known.get(output.job_id)
    if other is None or (output.is_required and not other.is_required):
        known[output.job_id] = output


def check_rule(rule: object) -> Rule:
    """The rule, if it is one. Raises ``ValueError`` otherwise."""
    if rule not in RULES:
        raise ValueError(f"there is no trigger rule {rule!r}; the rules are: {', '.join(RULES)}")
    return rule


class Dependency:
    """A group of jobs to wait for, and the rule that says when the wait is over.

    Args:
        jobs: a job or a sequence of jobs, or their ids.
        rule: a ``Rule``; ``"all_success"`` by default.
        allow_failure: RQ's name for ``rule="all_done"``.
        enqueue_at_front: put the dependent at the front of its queue when it is released.

    Raises:
        ValueError: for an unknown rule, for no jobs, for a job named twice, or for ``allow_failure`` together with
            another rule.
    """

    __slots__ = ("enqueue_at_front", "job_ids", "rule")

    def __init__(
        self,
        jobs: JobRef | Iterable[JobRef],
        *,
        rule: Rule | None = None,
        allow_failure: bool = False,
        enqueue_at_front: bool = False,
    ) -> None:
        if rule is not None:
            check_rule(rule)
        if allow_failure and rule is not None:
            raise ValueError(f"allow_failure=True means rule='all_done'; drop one of it and rule={rule!r}")
        self.rule: Rule = rule or ("all_done" if allow_failure else "all_success")
        self.job_ids = job_ids_of(jobs)
        self.enqueue_at_front = enqueue_at_front
        if not self.job_ids:
            raise ValueError("a Dependency needs at least one job to wait for")
        _refuse_repeats(self.job_ids)

    def __repr__(self) -> str:
        return f"Dependency({list(self.job_ids)!r}, rule={self.rule!r})"

    def guarantees_success(self) -> bool:
        """Whether the rule can only be met once every job of the group has finished."""
        return guarantees_success(self.rule, len(self.job_ids))


def guarantees_success(rule: str, count: int) -> bool:
    """Whether a rule for so many jobs can only be met once every one of them has finished."""
    return rule == "all_success" or (count == 1 and rule in _SUCCESS_OF_THE_ONLY_ONE)


#: What a job waits for: jobs, or groups of them with rules.
DependsOn = JobRef | Dependency | Sequence["JobRef | Dependency"] | None


def groups_of(
    depends_on: DependsOn, *, run_after_failure: bool = False, allow_partial_dependencies: bool = False
) -> tuple[Dependency, ...]:
    """Read a ``depends_on`` value as groups: bare jobs form one, each ``Dependency`` is one of its own.

    Args:
        depends_on: a job, an id, a ``Dependency``, or a sequence of these.
        run_after_failure: short for ``rule="all_done"``.
        allow_partial_dependencies: short for ``rule="all_done_min_one_success"``.

    Raises:
        ValueError: for a job that stands in two groups, or a shorthand together with a ``Dependency``, with the
            other shorthand, or without ``depends_on``.
        TypeError: for something that is neither a job, an id nor a ``Dependency``.
    """
    if depends_on is None and not run_after_failure and not allow_partial_dependencies:
        return ()
    items = _items_of(depends_on)
    groups = [item for item in items if isinstance(item, Dependency)]
    bare = [item for item in items if not isinstance(item, Dependency)]
    rule = _rule_of_shorthand(run_after_failure, allow_partial_dependencies, items, groups)
    if bare:
        groups.insert(0, Dependency(bare, rule=rule))
    if len(groups) > 1:
        _refuse_repeats([job_id for group in groups for job_id in group.job_ids])
    return tuple(groups)


def _rule_of_shorthand(
    run_after_failure: bool, allow_partial: bool, items: Sequence[object], groups: Sequence[Dependency]
) -> Rule | None:
    if not (run_after_failure or allow_partial):
        return None
    name = "run_after_failure" if run_after_failure else "allow_partial_dependencies"
    if run_after_failure and allow_partial:
        raise ValueError("run_after_failure and allow_partial_dependencies are two different rules; choose one")
    if not items:
        raise ValueError(f"{name}=True says when a job runs after others; it needs depends_on")
    if groups:
        raise ValueError(f"{name}=True is a rule of its own; drop it, or give Dependency(rule=...) alone")
    return "all_done" if run_after_failure else "all_done_min_one_success"


def _items_of(depends_on: DependsOn) -> list[JobRef | Dependency]:
    if depends_on is None:
        return []
    return [depends_on] if isinstance(depends_on, Dependency) else _several(depends_on)


def job_ids_of(jobs: JobRef | Iterable[JobRef]) -> tuple[str, ...]:
    """The ids of a job or of several, in order.

    Raises:
        TypeError: for something that is neither a job nor an id.
    """
    return tuple(_id_of(job) for job in _several(jobs))


def _several(jobs: Any) -> list[Any]:
    """The items of what holds several jobs; anything else is one."""
    return [jobs] if isinstance(jobs, (str, bytes)) or not isinstance(jobs, Iterable) else list(jobs)


def _id_of(job: object) -> str:
    job_id = job if isinstance(job, str) else getattr(job, "id", None)
    if isinstance(job_id, str):
        return job_id
    if isinstance(job, Awaitable):
        raise TypeError(f"{job!r} is no job yet: await it first")
    raise TypeError(f"{job!r} is no job to depend on: pass a Job, its id, or a Dependency")


def _refuse_repeats(job_ids: Sequence[str]) -> None:
    if (twice := repeated(job_ids)) is not None:
        raise ValueError(f"job {twice!r} is named twice in depends_on; a job stands in one group only")
