"""A workflow while it is filled: what it is to be called, and the jobs that will be enqueued with it."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from rqdeps.codec import Codec
from rqdeps.dependency import Dependency, Rule
from rqdeps.enqueue_data import EnqueueData, FunctionCall, reusable
from rqdeps.errors import DuplicateWorkflowError, InvalidJobOperationError
from rqdeps.ids import new_id
from rqdeps.job_record import JobRecord
from rqdeps.options import JobOptions
from rqdeps.status import JobStatus
from rqdeps.store import Conversation, RegisteredQueues
from rqdeps.workflow_changes import commit, member_ids

if TYPE_CHECKING:
    from rqdeps.options import Duration

#: The longest name of a workflow, in characters.
LONGEST_NAME = 200


class WorkflowDraft:
    """A workflow to be.

    Args:
        name: what people call it.
        id: its id; by default a new one.
        exist_ok: whether nothing is done if there is a workflow with this id already.
        result_ttl: how long it is kept once it has finished.
        failure_ttl: how long it is kept if it has failed or was canceled.
        meta: a dictionary that goes with it.

    Raises:
        TypeError: something is of the wrong kind.
        ValueError: a name, id or duration that can't be.

    Attributes:
        members: the jobs that will belong to it.
        is_committed: whether they have been enqueued.
    """

    def __init__(
        self,
        name: str,
        id: str | None,  # noqa: A002 - what users call it
        *,
        exist_ok: bool,
        result_ttl: Duration | None,
        failure_ttl: Duration | None,
        meta: dict[str, Any] | None,
    ) -> None:
        self.name = check_name(name)
        self.options = JobOptions.read(
            {
                "job_id": new_id() if id is None else id,
                "description": name or None,
                "result_ttl": result_ttl,
                "failure_ttl": failure_ttl,
                "meta": meta,
            }
        )
        self.members: list[JobRecord] = []
        self.is_committed = False
        self._after: list[JobRecord] = []
        self._exist_ok = exist_ok
        self._nonce = secrets.token_hex(4)

    def was_committed(self, name: str) -> None:
        """Says that this is one which exists already, and what it is called there, be that as it may."""
        self.name = name
        self.is_committed = True

    @property
    def id(self) -> str:
        """Its id."""
        assert self.options.job_id is not None
        return self.options.job_id

    def check_committed(self) -> None:
        """Makes sure that the server knows it.

        Raises:
            InvalidJobOperationError: it is not committed yet.
        """
        if not self.is_committed:
            raise InvalidJobOperationError(
                f"workflow {self.id!r} is not committed yet: the end of its with block does that, or commit()"
            )

    @property
    def committed_id(self) -> str:
        """Its id, for what can only be done once it is committed."""
        self.check_committed()
        return self.id

    def check_open(self) -> None:
        """Makes sure that it can still be filled.

        Raises:
            InvalidJobOperationError: it is committed already.
        """
        if self.is_committed:
            raise InvalidJobOperationError(
                f"workflow {self.id!r} is committed already: its jobs can spawn more, and others can depend on it"
            )

    def add(self, job: JobRecord, data: EnqueueData) -> None:
        """Takes a job that will belong to it, and is kept as long unless it says otherwise. It can't repeat."""
        data.options.refuse_repeat("a workflow's job")
        job.draft = reusable(data).kept_like(self.options)
        self.members.append(job)

    def add_after(self, job: JobRecord, data: EnqueueData) -> None:
        """Takes a job that waits for it, and is enqueued with it."""
        job.draft = reusable(data)
        self._after.append(job)

    def data_after(
        self, rule: Rule, f: Callable[..., Any] | str, args: tuple[Any, ...], kwargs: Mapping[str, Any], codec: Codec
    ) -> EnqueueData:
        """A job to be that waits for the workflow, by a rule.

        Raises:
            TypeError: it is to wait for something else too, or the arguments don't fit.
        """
        if kwargs.get("depends_on") is not None:
            raise TypeError("it waits for the workflow, and for nothing else: depends_on can't be given")
        return FunctionCall.split(f, args, {**kwargs, "depends_on": Dependency(self.id, rule=rule)}).data(codec)

    def member_ids(self, statuses: Iterable[JobStatus | str]) -> Conversation[list[str]]:
        """The ids of its jobs, in the order in which they came; of those with these statuses, if any is named.

        Raises:
            ValueError: there is no such status.
        """
        wanted = [JobStatus(status) for status in statuses]
        if self.is_committed:
            return (yield from member_ids(self.id, wanted))
        return [job.id for job in self.members] if not wanted or JobStatus.CREATED in wanted else []

    def commit(self, queue: str, registered: RegisteredQueues) -> Conversation[list[JobRecord]]:
        """Enqueues all jobs at once, and returns those that the server knows from now on.

        Args:
            queue: the queue of those that name none.
            registered: the queues that the server knows.

        Raises:
            InvalidJobOperationError: it is committed already.
            DuplicateWorkflowError: its id is in use.
            DuplicateJobError: that of one of its jobs is.
            NoSuchJobError: a job to wait for neither exists nor belongs to it.
            DependencyCycleError: its jobs would wait for each other in a circle.
        """
        self.check_open()
        jobs = [*self.members, *self._after]
        members, after = _datas(self.members), _datas(self._after)
        try:
            yield from commit(self.id, self.options, members, after, queue, registered, nonce=self._nonce)
        except DuplicateWorkflowError:
            if not self._exist_ok:
                raise
        self.is_committed = True
        self.members, self._after = [], []
        return jobs


def check_name(name: object) -> str:
    """The name, if a workflow can have it.

    Raises:
        TypeError: for something that is no text.
        ValueError: for one that is too long, or has characters that can't be shown.
    """
    if not isinstance(name, str):
        raise TypeError(f"a workflow's name is a str, not {type(name).__name__}")
    if not name.isprintable() or len(name) > LONGEST_NAME:
        raise ValueError(f"{name!r} can't be a workflow's name: names are up to {LONGEST_NAME} printable characters")
    return name


def _datas(jobs: list[JobRecord]) -> list[EnqueueData]:
    return [job.draft for job in jobs if job.draft is not None]
