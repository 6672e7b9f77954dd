"""The values of other jobs' outputs. A value may hold outputs in turn: of what the job that gave it has joined."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rqdeps.codec import Codec
from rqdeps.dependency import Output
from rqdeps.errors import ResultExpiredError, SerializationError
from rqdeps.signing import unseal_result
from rqdeps.status import JobStatus


class OutputValues:
    """What stands for the outputs of jobs, once they have ended.

    Args:
        records: by the id of each job its status, and its result, serialized; empty if that is kept no longer.
        codec: how values are read.
    """

    def __init__(self, records: Mapping[str, tuple[str, bytes]], codec: Codec) -> None:
        self._records = records
        self._codec = codec
        self._known: dict[str, Any] = {}

    def value_of(self, output: Output) -> Any:
        """The value that an output stands for.

        Raises:
            ResultExpiredError: there is none, and nothing was said to stand in for it.
            SerializationError: it can't be read.
        """
        status, value = self._records.get(output.job_id, ("", b""))
        if status == JobStatus.FINISHED and value:
            return self._read(output.job_id)
        if not output.is_required and status != JobStatus.FINISHED:
            return output.default
        raise ResultExpiredError(f"the output of job {output.job_id!r} is wanted, but {_why_missing(status)}")

    def loads(self, value: bytes) -> Any:
        """Reads a value that may hold outputs. Raises what ``value_of`` raises."""
        inner = self._inner_outputs(value)
        for job_id in inner:
            self._read(job_id)
        return self._codec.loads(value, self._known_or_default)

    def _read(self, job_id: str) -> Any:
        """Reads the value of a job, and before it those that it holds: without recursion, as they may go very deep."""
        stack, opened = [job_id], set()
        while stack:
            value = unseal_result(self._records[stack[-1]][1], stack[-1])
            inner = self._inner_outputs(value)
            if inner and stack[-1] in opened:  # no job can have returned that
                raise SerializationError(f"the result of job {stack[-1]!r} holds itself, by way of others")
            if inner:
                opened.add(stack[-1])
                stack += inner
            else:
                self._known[stack.pop()] = self._codec.loads(value, self._known_or_default)
        return self._known[job_id]

    def _inner_outputs(self, value: bytes) -> list[str]:
        """The jobs whose values stand in a value, and have not been read yet."""
        return [output.job_id for output in self._codec.outputs_in(value) if self._is_to_be_read(output.job_id)]

    def _is_to_be_read(self, job_id: str) -> bool:
        status, value = self._records.get(job_id, ("", b""))
        return job_id not in self._known and status == JobStatus.FINISHED and value != b""

    def _known_or_default(self, output: Output) -> Any:
        return self._known[output.job_id] if output.job_id in self._known else self.value_of(output)


def _why_missing(status: str) -> str:
    if not status:
        return "that job has been deleted"
    if status == JobStatus.FINISHED:
        return "its result is kept no longer"
    return f"that job is {status}: output_or(default) says what to pass then"
