"""The errors by RQ's names. Each is one of ``rqdeps.errors``, where all of them are."""

from rqdeps.errors import (
    DuplicateJobError,
    HorseDiedError,
    InvalidJobOperationError,
    NoSuchGroupError,
    NoSuchJobError,
    SerializationError,
)

#: RQ's older name for it.
InvalidJobOperation = InvalidJobOperationError

#: A dependency that does not exist is an error of its own here.
InvalidJobDependency = NoSuchJobError

#: What can't be read fails with the same error as what can't be written.
DeserializationError = SerializationError

#: What a callback gets when the process that ran the job was lost.
AbandonedJobError = HorseDiedError

#: A duration that can't be read is a plain ``ValueError``.
TimeoutFormatError = ValueError

__all__ = [
    "AbandonedJobError",
    "DeserializationError",
    "DuplicateJobError",
    "InvalidJobDependency",
    "InvalidJobOperation",
    "InvalidJobOperationError",
    "NoSuchGroupError",
    "NoSuchJobError",
    "TimeoutFormatError",
]
