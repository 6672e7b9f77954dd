"""A job to be: a function call with its options, checked and serialized, before it goes to the server."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from typing import Any, Final

from rqdeps.callbacks import NO_CALLBACKS
from rqdeps.codec import Codec
from rqdeps.dependency import ADDITIVE_RULES, Output, Rule, guarantees_success
from rqdeps.fallback import MOST_IN_A_ROW, WAY_OUT, Fallback
from rqdeps.functions import bind, check_near_options, path_of
from rqdeps.ids import new_id
from rqdeps.new_groups import few_enough, groups_of_fallback, groups_of_options
from rqdeps.options import NO_OPTIONS, OPTION_NAMES, RESERVED_NAMES, JobOptions
from rqdeps.serializers import dumps, encode_call
from rqdeps.signing import Keyring, options_of, seal_payload, seal_result
from rqdeps.store.calls.call import Argument
from rqdeps.store.calls.enqueue import ITSELF, EdgeKind, NewGroup, NewJob
from rqdeps.store.calls.reads import EdgeRecord

#: What ``enqueue`` keeps for itself of the names of arguments.
_KEPT_NAMES: Final = OPTION_NAMES.union(RESERVED_NAMES)

#: Under which it takes the function's arguments apart from all else.
_APART: Final = frozenset({"args", "kwargs"})


@dataclass
class FunctionCall:
    """A call with its options, told apart."""

    func: Callable[..., Any] | str
    args: Sequence[Any]
    kwargs: Mapping[str, Any]
    options: JobOptions
    kwargs_are_meant: bool = False

    @classmethod
    def split(cls, func: Callable[..., Any] | str, args: tuple[Any, ...], named: Mapping[str, Any]) -> FunctionCall:
        """Tells the function's arguments from the options.

        Args:
            func: a function, or its dotted path.
            args: the arguments by position.
            named: arguments and options by name. With ``args`` or ``kwargs`` among them, these alone are arguments.

        Raises:
            TypeError: arguments came beside ``args=`` or ``kwargs=``, or an option has a value of the wrong kind.
            ValueError: an option makes no sense.
        """
        if _KEPT_NAMES.isdisjoint(named) and _APART.isdisjoint(named):
            return cls(func, args, named, NO_OPTIONS)
        kwargs = dict(named)
        options = {name: kwargs.pop(name) for name in _KEPT_NAMES.intersection(kwargs)}
        explicit = {name: kwargs.pop(name) for name in _APART.intersection(kwargs)}
        if not explicit:
            return cls(func, args, kwargs, JobOptions.read(options))
        if args or kwargs:
            extra = ", ".join([*map(repr, args), *(f"{name}=" for name in kwargs)])
            raise TypeError(
                f"with args= or kwargs=, these alone are the function's arguments; {extra} came beside them"
            )
        return cls.apart(func, explicit.get("args"), explicit.get("kwargs"), JobOptions.read(options))

    @classmethod
    def apart(cls, func: Callable[..., Any] | str, args: object, kwargs: object, options: JobOptions) -> FunctionCall:
        """A call whose arguments were given apart from the options.

        Raises:
            TypeError: they are no list and no dictionary.
        """
        if args is not None and not isinstance(args, (list, tuple)):
            raise TypeError(f"args= is a list or a tuple of the function's arguments, not {type(args).__name__}")
        if kwargs is not None and (not isinstance(kwargs, dict) or not all(isinstance(name, str) for name in kwargs)):
            raise TypeError("kwargs= is a dictionary of the function's arguments by name")
        return cls(func, args or (), kwargs or {}, options, True)

    def data(self, codec: Codec) -> EnqueueData:
        """The job to be that makes this call. Raises what ``EnqueueData.make`` raises."""
        return EnqueueData.make(
            self.func, self.args, self.kwargs, self.options, codec, kwargs_are_meant=self.kwargs_are_meant
        )


@dataclass(eq=False)  # and not frozen, which would take ten times as long to make: only ``reusable`` changes one
class EnqueueData:
    """A job to be, made by ``Queue.prepare_data`` for ``Queue.enqueue_many``. Others may already depend on it.

    Attributes:
        id: the id that the job will have.
        function: the dotted path of its function.
        payload: its arguments, serialized.
        groups: what it waits for.
        options: its options.
        nonce: tells a second sending of this job from another job with its id; empty where nobody else can use the id,
            and ``ITSELF`` where, besides, the program may enqueue it twice.
        queue: its queue; without one, the queue that enqueues it.
        fallback_of: the job that it stands in for.
        delay_ms: how long it waits from the moment it is enqueued, in milliseconds.
        scheduled_for_ms: the moment it waits for, in milliseconds since 1970.
        fallback: what stands in for it if it fails.
        stands_for: the job that it stands in for, and those that this in turn stands in for.
        workflow: the workflow that it belongs to.
        spawned_by: the job that spawns it, and joins it.
        joins: whether it has no function, and joins what it waits for: it is a workflow's own job.
        cleans_up: whether it runs even where its workflow is canceled, as it waits for others however these end.
        group: the name of the group that it is listed in.
    """

    __rqdeps_job__ = True

    id: str
    function: str
    payload: bytes
    groups: tuple[NewGroup, ...]
    options: JobOptions
    nonce: str = ""
    queue: str | None = None
    fallback_of: str | None = None
    delay_ms: int | None = None
    scheduled_for_ms: int | None = None
    fallback: EnqueueData | None = None
    stands_for: tuple[str, ...] = ()
    workflow: str | None = None
    spawned_by: str | None = None
    joins: bool = False
    cleans_up: bool = False
    group: str | None = None

    @classmethod
    def joining(
        cls, job_id: str, members: Iterable[EnqueueData], rule: Rule, options: JobOptions, *, nonce: str | None = None
    ) -> EnqueueData:
        """A workflow's own job, which joins the members.

        Args:
            job_id: the id of the job, and of the workflow.
            members: the members; those that stand in for others are joined through these.
            rule: when it has finished.
            options: its options.
            nonce: tells a second sending from another workflow with this id; by default a new one.
        """
        joined: list[tuple[EdgeKind, str]] = [("spawn", member.id) for member in members]
        groups = (NewGroup(rule, joined),) if joined else ()
        payload, _ = encode_call((), {})
        return cls(job_id, "", payload, groups, options, nonce or secrets.token_hex(4), joins=True)

    def changed(self, **values: Any) -> EnqueueData:
        """The same job with other values of some attributes. ``dataclasses.replace`` takes ten times as long."""
        changed = object.__new__(EnqueueData)
        changed.__dict__ = self.__dict__ | values
        return changed

    def belonging_to(self, workflow: str) -> EnqueueData:
        """The same job, and what stands in for it, as members of a workflow."""
        return self._with(workflow=workflow, cleans_up=self._waits_for_any_end())

    def kept_like(self, options: JobOptions) -> EnqueueData:
        """The same job, and what stands in for it, kept as long as options say, where its own say nothing."""
        own = self.options
        result_ttl_ms = options.result_ttl_ms if own.result_ttl_ms is None else own.result_ttl_ms
        failure_ttl_ms = options.failure_ttl_ms if own.failure_ttl_ms is None else own.failure_ttl_ms
        kept = replace(own, result_ttl_ms=result_ttl_ms, failure_ttl_ms=failure_ttl_ms)
        return self.changed(options=kept, fallback=self.fallback and self.fallback.kept_like(options))

    def timed_out_after(self, timeout_ms: int) -> EnqueueData:
        """The same job, and what stands in for it, with this time limit where their own options say nothing."""
        own = self.options
        limited = own if own.timeout_ms is not None else replace(own, timeout_ms=timeout_ms)
        fallback = self.fallback and self.fallback.timed_out_after(timeout_ms)
        return self.changed(options=limited, fallback=fallback)

    def spawned(self, by: str) -> EnqueueData:
        """The same job, as one that another spawns. Raises ``ValueError`` if it is to repeat."""
        self.options.refuse_repeat("a spawned job")
        return self._with(cleans_up=self._waits_for_any_end()).changed(spawned_by=by)

    def _with(self, **changes: Any) -> EnqueueData:
        fallback = self.fallback and self.fallback._with(**changes)
        return self.changed(fallback=fallback, **changes)

    def _waits_for_any_end(self) -> bool:
        return bool(self.groups) and all(group.rule == "all_done" for group in self.groups)

    @classmethod
    def make(
        cls,
        func: Callable[..., Any] | str,
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
        options: JobOptions,
        codec: Codec,
        *,
        kwargs_are_meant: bool = False,
    ) -> EnqueueData:
        """Checks and serializes a call.

        Args:
            func: a function, or its dotted path.
            args: the arguments by position.
            kwargs: the arguments by name.
            options: the options.
            codec: how the arguments are written.
            kwargs_are_meant: whether the names in ``kwargs`` can't be mistyped options.

        Raises:
            UnsupportedFunctionError: a worker could not find the function.
            TypeError: the arguments don't fit the function's signature, or are no arguments.
            SerializationError: an argument can't be carried, or they are too large.
            ValueError: the output of a job is wanted that the job may run without.
        """
        data = cls._checked(func, args, kwargs, options, codec, kwargs_are_meant=kwargs_are_meant)
        if options.fallback is None:
            return data
        groups = [group for group in data.groups if guarantees_success(group.rule, len(group.members))]
        finished = frozenset(job_id for group in groups for _, job_id in group.members)
        return data._with_fallback(options.fallback, args, kwargs, codec, finished=finished, rank=1)

    @classmethod
    def _checked(
        cls,
        func: Callable[..., Any] | str,
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
        options: JobOptions,
        codec: Codec,
        *,
        kwargs_are_meant: bool,
        fallback_of: str | None = None,
        finished: Set[str] = frozenset(),
    ) -> EnqueueData:
        function = path_of(func)
        if fallback_of is not None:
            options.refuse_repeat("a fallback")
        args, kwargs = tuple(args), dict(kwargs)
        if callable(func):
            bind(func, args, kwargs, OPTION_NAMES, explicit=kwargs_are_meant)
        elif not kwargs_are_meant:
            check_near_options(kwargs, OPTION_NAMES)
        payload, outputs = codec.encode_call(args, kwargs)
        if fallback_of is None:
            groups = few_enough(groups_of_options(options, outputs)) if options.groups or outputs else ()
        else:
            groups = groups_of_fallback(fallback_of, outputs, finished)
        nonce = secrets.token_hex(4) if options.job_id else ""
        job_id = options.job_id or new_id()
        return cls(job_id, function, payload, groups, options, nonce, options.queue, fallback_of)

    def _with_fallback(
        self,
        fallback: Fallback,
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
        codec: Codec,
        *,
        finished: Set[str],
        rank: int,
    ) -> EnqueueData:
        """The same job with what stands in for it.

        Args:
            fallback: what was asked for.
            args: the job's own arguments.
            kwargs: those by name.
            codec: how its arguments are written.
            finished: the jobs that have finished whenever the job runs.
            rank: how many stand behind the first.
        """
        if rank > MOST_IN_A_ROW:
            raise ValueError(f"at most {MOST_IN_A_ROW} fallbacks can stand behind each other")
        if fallback.takes_arguments_of_job:
            call = FunctionCall(fallback.func, args, kwargs, JobOptions(), kwargs_are_meant=True)
        else:
            call = call_of(fallback)
        try:
            stand_in = EnqueueData._checked(
                call.func,
                call.args,
                call.kwargs,
                call.options,
                codec,
                kwargs_are_meant=call.kwargs_are_meant,
                fallback_of=self.id,
                finished=finished,
            )
        except TypeError as error:
            if not fallback.takes_arguments_of_job:
                raise
            raise TypeError(f"{error}; {WAY_OUT}") from None
        stand_in = stand_in.changed(stands_for=(self.id, *self.stands_for))
        if call.options.fallback is not None:
            behind = call.options.fallback
            stand_in = stand_in._with_fallback(behind, call.args, call.kwargs, codec, finished=finished, rank=rank + 1)
        return self.changed(fallback=stand_in)

    def with_fallbacks(self) -> list[EnqueueData]:
        """The job, the fallback that stands behind it, and so on."""
        found = [self]
        while (fallback := found[-1].fallback) is not None:
            found.append(fallback)
        return found

    @property
    def output(self) -> Any:
        """Stands for the job's return value in the arguments of another job, which then waits for this one."""
        return Output(self.id)

    def output_or(self, default: Any) -> Any:
        """Like ``output``, with a value to pass where this job has not finished."""
        return Output(self.id, default)

    def new_job(self, queue: str, *, signs: bool | None = None) -> NewJob:
        """The job as the call to the server takes it.

        Args:
            queue: its queue, where it names none.
            signs: whether the environment has a key to sign it by; looked up where that is not known.
        """
        chosen, fields = self.queue or queue, self._fields()
        if signs is None:
            signs = Keyring.of_environment().signs
        if signs:
            options = options_of(*(fields.get(name) for name in ("timeout", "retries", "retry", "callbacks")))
            fields["payload"] = seal_payload(self.payload, self.id, chosen, self.function, options, self.stands_for)
        if self.joins:
            fields["result"] = seal_result(dumps(None), [self.id])
        return NewJob(self.id, chosen, fields, self.nonce, self.delay_ms, self.groups)

    def fields(self) -> dict[str, bytes]:
        """The job's hash, as it will be once it is saved."""
        known: dict[str, Argument] = {"status": "created", "queue": self.queue or "default", **self._fields()}
        return {name: value if isinstance(value, bytes) else str(value).encode() for name, value in known.items()}

    def edges(self) -> list[EdgeRecord]:
        """What the job will depend on, before anybody knows how that stands."""
        return [
            EdgeRecord(job_id, kind, number, group.rule, None, None)
            for number, group in enumerate(self.groups)
            for kind, job_id in group.members
        ]

    def waiting_for(self, group: NewGroup) -> EnqueueData:
        """The same job, with one more group of dependencies.

        Raises:
            ValueError: it depends on one of them already.
        """
        known = {job_id for each in self.groups for _, job_id in each.members}
        for _, job_id in group.members:
            if job_id in known:
                raise ValueError(f"job {self.id!r} depends on {job_id!r} already; a job stands in one group only")
        groups = list(self.groups)
        for i, each in enumerate(groups):
            if each.rule == group.rule and group.rule in ADDITIVE_RULES:
                groups[i] = NewGroup(each.rule, [*each.members, *group.members])
                return self.changed(groups=tuple(groups))
        return self.changed(groups=few_enough((*groups, group)))

    def _fields(self) -> dict[str, Argument]:
        fields: dict[str, Argument] = {"function": self.function, "payload": self.payload}
        if self.scheduled_for_ms is not None:
            fields["scheduled_for"] = self.scheduled_for_ms
        if self.fallback is not None:
            fields["fallback"] = self.fallback.id
        if self.fallback_of is not None:
            fields["fallback_of"] = self.fallback_of
        if self.workflow is not None:
            fields["workflow"] = self.workflow
        if self.group is not None:
            fields["group"] = self.group
        if self.spawned_by is not None:
            fields["spawned_by"] = self.spawned_by
        if self.joins:
            fields["joins"] = 1
        if self.cleans_up:
            fields["cleans_up"] = 1
        if self.options is not NO_OPTIONS:
            fields |= _fields_of(self.options)
        return fields


def _fields_of(options: JobOptions) -> dict[str, Argument]:
    fields: dict[str, Argument | None] = {
        "timeout": options.timeout_ms,
        "result_ttl": options.result_ttl_ms,
        "failure_ttl": options.failure_ttl_ms,
        "ttl": options.ttl_ms,
        "description": options.description,
        "at_front": 1 if options.at_front else None,
        "meta": dumps(options.meta, where="meta", with_outputs=False) if options.meta else None,
        "held": 1 if options.hold else None,
    }
    if options.callbacks is not NO_CALLBACKS:
        fields["callbacks"] = options.callbacks.encode() or None
    if options.repeat is not None:
        fields["repeats"] = options.repeat.times
        fields["repeat"] = options.repeat.encode() or None
    if options.retry is not None:
        fields["retries"] = options.retry.max
        fields["retry"] = options.retry.encode() or None
    return {name: value for name, value in fields.items() if value is not None}


def call_of(fallback: Fallback) -> FunctionCall:
    """The call that a fallback with arguments of its own makes. Raises what ``FunctionCall.split`` raises."""
    if fallback.options is not None:
        return FunctionCall.apart(fallback.func, fallback.args, fallback.kwargs, fallback.options)
    return FunctionCall.split(fallback.func, fallback.args, fallback.kwargs)


def reusable(data: EnqueueData) -> EnqueueData:
    """The same job, from now on safe in the hands of a program, which may enqueue it twice: that makes one job."""
    for each in data.with_fallbacks():
        each.nonce = each.nonce or ITSELF
    return data


def delayed(data: EnqueueData, delay_ms: int) -> EnqueueData:
    """The same job, to run no earlier than this long after it is enqueued."""
    return data.changed(delay_ms=delay_ms)


def scheduled(data: EnqueueData, at_ms: int) -> EnqueueData:
    """The same job, to run no earlier than at this moment, in milliseconds since 1970."""
    return data.changed(scheduled_for_ms=at_ms)
