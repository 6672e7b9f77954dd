"""Pickle, for those who choose it: it carries nearly everything, and reading it runs whatever the bytes say.

After the first byte, ``p``, comes a pickle. Outputs of jobs stand in it by persistent ids, wherever they are.
"""

from __future__ import annotations

import io
import pickle
from collections.abc import Callable
from typing import Any, Final

from rqdeps.dependency import Output, note_output
from rqdeps.errors import JobTimeoutError, SerializationError
from rqdeps.refusals import RefusedError, is_job, shown, why_not
from rqdeps.tags import PLAIN, OutputError

#: The first part of the persistent id of an output. The others are the job's id, and the default if it has one.
_OUTPUT: Final = "rqdeps.output"

#: The same for all Pythons that can be used, so that producers and workers may have different ones.
_PROTOCOL: Final = 5


class PickleFormat:
    """Pickle with outputs of other jobs anywhere inside."""

    mark: Final = b"p"
    name: Final = "pickle"

    def encode_call(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[bytes, list[Output]]:
        """Write the arguments of a call.

        Raises:
            SerializationError: one of them can't be pickled, or is a job.
        """
        try:
            return _dumps([list(args), kwargs])
        except Exception as error:
            for number, value in enumerate(args, 1):
                _check(value, f"argument {number}")
            for name, value in kwargs.items():
                _check(value, f"keyword argument {name!r}")
            raise _refusal("the arguments", error) from error

    def encode(self, value: Any, where: str) -> tuple[bytes, list[Output]]:
        """Write what a job has returned.

        Raises:
            SerializationError: it can't be pickled.
        """
        try:
            return _dumps(value)
        except Exception as error:
            raise _refusal(where, error) from error

    def loads(
        self,
        data: bytes,
        *,
        output: Callable[[Output], Any] | None = None,
        classes: Callable[[str], type] | None = None,
    ) -> Any:
        """Read what one of these wrote, which may run any code.

        Args:
            data: the bytes.
            output: gives the value for an ``Output``. What it raises is passed on as it is.
            classes: not asked: a pickle imports what it names.

        Raises:
            SerializationError: they were cut off or damaged, or what they name can't be imported or made.
        """
        try:
            return _Unpickler(memoryview(data)[1:], output).load()
        except OutputError as wrapped:
            raise wrapped.error from wrapped.error.__cause__
        except JobTimeoutError:
            raise
        except Exception as error:
            raise SerializationError(f"these bytes can't be unpickled: {type(error).__name__}: {error}") from error

    def outputs_in(self, data: bytes) -> list[Output]:
        """The outputs that bytes hold, in their order. Raises what ``loads`` raises."""
        found: list[Output] = []

        def note(output: Output) -> Output:
            found.append(output)
            return output

        if _OUTPUT.encode() in data:
            self.loads(data, output=note)
        return found


class _Pickler(pickle.Pickler):
    """A pickler that notes the outputs of jobs.

    Attributes:
        outputs: those met, by job; a required one stays, whatever follows.
    """

    def __init__(self, file: io.BytesIO) -> None:
        super().__init__(file, _PROTOCOL)
        self.outputs: dict[str, Output] = {}

    def persistent_id(self, obj: Any) -> Any:
        kind = type(obj)
        if kind in PLAIN:
            return None
        if kind is Output:
            note_output(self.outputs, obj)
            return (_OUTPUT, obj.job_id) if obj.is_required else (_OUTPUT, obj.job_id, obj.default)
        if is_job(kind):
            raise RefusedError(why_not(obj))
        return None


class _Unpickler(pickle.Unpickler):
    def __init__(self, data: memoryview, output: Callable[[Output], Any] | None) -> None:
        super().__init__(io.BytesIO(data))
        self._output = output

    def persistent_load(self, pid: Any) -> Any:
        match pid:
            case (str(tag), str(job_id), *default) if tag == _OUTPUT and len(default) <= 1:
                placeholder = Output(job_id, *default)
            case _:
                raise pickle.UnpicklingError(f"{shown(pid)} is nothing that rqdeps knows")
        if self._output is None:
            return placeholder
        try:
            return self._output(placeholder)
        except Exception as error:
            raise OutputError(error) from error


def _dumps(value: Any) -> tuple[bytes, list[Output]]:
    file = io.BytesIO()
    file.write(PickleFormat.mark)
    pickler = _Pickler(file)
    pickler.dump(value)
    return file.getvalue(), list(pickler.outputs.values())


def _check(value: Any, where: str) -> None:
    try:
        _dumps(value)
    except Exception as error:
        raise _refusal(where, error) from error


def _refusal(where: str, error: Exception) -> Exception:
    if isinstance(error, JobTimeoutError):
        return error
    if isinstance(error, RefusedError):
        return SerializationError(f"{where} {error.reason}")
    return SerializationError(
        f"{where} can't be pickled ({type(error).__name__}: {error}): pass an id or plain values, and load or build "
        "the object inside the job"
    )
