"""Tags: how JSON carries the values that it has no word for.

A tag is an object with the single key ``"$"`` and a list, the type's name and its parts::

    {"$":["tuple",1,2]}     {"$":["Decimal","1.50"]}     {"$":["datetime","2024-05-01T12:00:00","Europe/Berlin"]}
    {"$":["float","nan"]}   {"$":["bytes","<base64>"]}   {"$":["output","<job id>"]}, with a default as third part
    {"$":["enum","shop.models.State","PAID"]}, with a number if it combines several members of a Flag
    {"$":["dataclass","shop.models.Order",{"id":7}]}

A dict with a key that is not a string, or with the key ``"$"``, is a tag of its keys and values in turn:
``{"$":["dict",1,"one",2,"two"]}``. So an object with the key ``"$"`` is always a tag, and the user's data never are.

``{"$":["secret","<encrypted>"]}`` is what ``Secret(...)`` marked; what it holds is written in the same way.

Carried are ``str``, ``int``, ``float``, ``bool``, ``None``, ``list``, ``dict``, ``tuple``, ``set``, ``frozenset``,
``bytes``, ``bytearray``, ``datetime``, ``date``, ``time``, ``timedelta``, ``Decimal``, ``UUID``, the paths of
``pathlib``, members of enums, instances of dataclasses, and ``Output``. Subclasses of the others are not, unless they
are enums: they would come back as something else. What names a class is built only by who gives a way to its classes,
as workers do; elsewhere it comes back as ``Unbuilt``.
"""

from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from dataclasses import is_dataclass
from functools import cache
from math import isfinite
from typing import Any, Final

from rqdeps.classes import class_path
from rqdeps.dependency import Output, note_output
from rqdeps.errors import JobTimeoutError, SerializationError
from rqdeps.leaves import LEAVES, base64_of
from rqdeps.records import fields_of, is_enum, made, member_of
from rqdeps.refusals import FieldName, RefusedError, is_job, shown, why_not
from rqdeps.secret import HiddenSecret, SecretValue, decrypt, encrypt, note_opened
from rqdeps.status import JobStatus
from rqdeps.unbuilt import Unbuilt

#: The only key of a tag.
TAG: Final = "$"

#: The types that JSON has words for and that hold nothing else.
PLAIN: Final = frozenset({str, int, float, bool, type(None)})

#: The type that the keys of JSON's objects have.
STR: Final = frozenset({str})

#: How many containers may stand inside each other; as many as in BSON. Python's JSON fails at a depth of its own.
MAX_DEPTH: Final = 100

#: Integers of more bits are carried in hexadecimal: Python refuses to read decimal numbers of very many digits.
MAX_DECIMAL_BITS: Final = 2_048


class Writer:
    """Turns values into what a JSON encoder writes without loss.

    Attributes:
        outputs: the outputs met, by job; a required one stays, whatever follows.
    """

    def __init__(self) -> None:
        self.outputs: dict[str, Output] = {}
        self._open: set[int] = set()

    def write(self, value: Any, where: str) -> Any:
        """Turn one value into plain JSON and tags.

        Args:
            value: the value.
            where: what errors call it.

        Raises:
            SerializationError: for something that can't be carried, naming its place, its type and the way out.
        """
        try:
            return self._write(value)
        except RefusedError as refused:
            raise SerializationError(f"{refused.place(where)} {refused.reason}") from None
        except RecursionError:
            raise SerializationError(
                f"{where} is nested too deeply: at most {MAX_DEPTH} containers may stand inside each other, fewer if "
                "the program itself is deep in a recursion; flatten it, or pass the name of a file that holds it"
            ) from None

    def _write(self, value: Any) -> Any:
        kind = type(value)
        if kind in PLAIN:
            return _write_plain(value)
        if kind in LEAVES:
            return _tag(kind.__name__, *map(_write_plain, LEAVES[kind].parts_of(value)))
        if is_enum(kind):
            return _tag("enum", class_path(kind), _write_plain(member_of(value)))
        if kind is Unbuilt and value.is_member:
            return _tag("enum", value.class_path, *map(_write_plain, value.fields.values()))
        if kind is HiddenSecret:
            return _tag("secret", value.token)
        write = _CONTAINERS.get(kind)
        if write is None:
            if not is_dataclass(kind) or is_job(kind):
                raise RefusedError(why_not(value))
            write = Writer._write_dataclass
        if id(value) in self._open:
            raise RefusedError(f"is the same {kind.__name__} that it stands in: a value can't contain itself")
        if len(self._open) == MAX_DEPTH:
            raise RecursionError
        self._open.add(id(value))
        try:
            return write(self, value)
        finally:
            self._open.discard(id(value))

    def _write_list(self, values: Sequence[Any]) -> list[Any]:
        return [self._write_item(index, value) for index, value in enumerate(values)]

    def _write_tuple(self, values: tuple[Any, ...]) -> Any:
        return _tag("tuple", *self._write_list(values))

    def _write_set(self, values: Set[Any]) -> Any:
        return _tag(type(values).__name__, *self._write_all("an element of ", values))

    def _write_dict(self, values: dict[Any, Any]) -> Any:
        keys = self._write_all("a key of ", values)
        return object_of(keys, [self._write_item(key, value) for key, value in values.items()])

    def _write_output(self, output: Output) -> Any:
        note_output(self.outputs, output)
        if output.is_required:
            return _tag("output", output.job_id)
        return _tag("output", output.job_id, *self._write_all("the default of the output in ", [output.default]))

    def _write_secret(self, secret: SecretValue) -> Any:
        known = len(self.outputs)
        (written,) = self._write_all("what is secret in ", [secret.value])
        if len(self.outputs) > known:
            raise RefusedError("is secret and holds an output: return Secret(...) from the job whose output it is")
        try:
            return _tag("secret", encrypt(json.dumps(written, ensure_ascii=False, allow_nan=False)))
        except SerializationError as error:
            raise RefusedError(f"is secret: {error}") from error

    def _write_dataclass(self, value: Any) -> Any:
        return self._write_fields(class_path(type(value)), fields_of(value))

    def _write_unbuilt(self, value: Unbuilt) -> Any:
        return self._write_fields(value.class_path, value.fields)

    def _write_fields(self, path: str, fields: Mapping[str, Any]) -> Any:
        written = {name: self._write_item(FieldName(name), value) for name, value in fields.items()}
        return _tag("dataclass", path, written)

    def _write_item(self, key: Any, value: Any) -> Any:
        if type(value) in PLAIN:  # as most are, so by the shortest way
            return _write_plain(value)
        try:
            return self._write(value)
        except RefusedError as refused:
            refused.keys.append(key)
            raise

    def _write_all(self, which: str, values: Iterable[Any]) -> list[Any]:
        try:
            return [_write_plain(value) if type(value) in PLAIN else self._write(value) for value in values]
        except RefusedError as refused:
            refused.which = which
            refused.keys.clear()
            raise


_CONTAINERS: Final[Mapping[type, Callable[[Writer, Any], Any]]] = {
    list: Writer._write_list,
    tuple: Writer._write_tuple,
    set: Writer._write_set,
    frozenset: Writer._write_set,
    dict: Writer._write_dict,
    Output: Writer._write_output,
    SecretValue: Writer._write_secret,
    Unbuilt: Writer._write_unbuilt,
}


def object_of(keys: Sequence[Any], values: Sequence[Any]) -> dict[str, Any]:
    """A dict, given its written keys and values: as an object where JSON can, else as a tag."""
    if STR.issuperset(map(type, keys)) and TAG not in keys:
        return dict(zip(keys, values, strict=True))
    return _tag("dict", *(part for pair in zip(keys, values, strict=True) for part in pair))


def _tag(name: str, *parts: Any) -> dict[str, Any]:
    return {TAG: [name, *parts]}


def _write_plain(value: Any) -> Any:
    """Values of JSON's own types are carried as they are, except for those that JSON's grammar can't express."""
    if isinstance(value, str):
        if not _is_unicode(value):
            return _tag("str", base64_of(value.encode("utf-8", "surrogatepass")))
    elif isinstance(value, int):
        if value.bit_length() > MAX_DECIMAL_BITS:
            return _tag("int", hex(value))
    elif isinstance(value, float) and not isfinite(value):
        return _tag("float", repr(value))
    return value


def _is_unicode(text: str) -> bool:
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:  # lone surrogates, as in the names of files that are not in UTF-8
        return False
    return True


def _placeholder(job_id: str, *default: Any) -> Output:
    if type(job_id) is not str:
        raise TypeError("a job's id is a text")
    return Output(job_id, *default)


_MAKERS: Final[Mapping[str, Callable[..., Any]]] = {
    **{kind.__name__: leaf.make for kind, leaf in LEAVES.items()},
    "str": lambda text: b64decode(text, validate=True).decode("utf-8", "surrogatepass"),
    "int": lambda text: int(text, 16),
    "float": float,
    "output": _placeholder,
    "tuple": lambda *items: items,
    "set": lambda *items: set(items),
    "frozenset": lambda *items: frozenset(items),
    "dict": lambda *items: dict(zip(items[::2], items[1::2], strict=True)),
}


class OutputError(Exception):
    """Carries what the callback for outputs raised past the handlers of a reader's own errors."""

    def __init__(self, error: Exception) -> None:
        super().__init__(error)
        self.error = error


def reader_of(
    output: Callable[[Output], Any] | None, classes: Callable[[str], type] | None = None
) -> Callable[[dict[str, Any]], Any]:
    """The ``object_hook`` that turns tags into what they stand for.

    Args:
        output: gives the value for an ``Output``, which without it stays as it is.
        classes: gives the class of a dotted path; without it, dataclasses and enums come back as ``Unbuilt``.
    """
    found_classes = None if classes is None else cache(classes)

    def read(found: dict[str, Any]) -> Any:
        if TAG not in found:
            return found
        name, parts = _name_and_parts(found)
        if name == "output":
            return _output_of(parts, output)
        if name in ("enum", "dataclass"):
            return _record_of(name, parts, found_classes)
        if name == "secret":
            return _secret_of(parts, read if classes is not None else None)
        return _make(name, parts)

    return read


def _secret_of(parts: list[Any], read: Callable[[dict[str, Any]], Any] | None) -> Any:
    """A secret: opened, if its parts are to be read."""
    match parts:
        case [str(token)] if read is None:
            return HiddenSecret(token)
        case [str(token)]:
            value = json.loads(decrypt(token), object_hook=read)
            note_opened(value)
            return value
    raise SerializationError("these bytes were damaged: they hold a secret without its text")


def _name_and_parts(found: dict[str, Any]) -> tuple[str, list[Any]]:
    tag = found[TAG]
    if len(found) == 1 and type(tag) is list and tag and type(tag[0]) is str:
        return tag[0], tag[1:]
    raise SerializationError(f"these bytes were damaged: they hold {shown(found)}, which is no tag")


def _output_of(parts: list[Any], output: Callable[[Output], Any] | None) -> Any:
    placeholder: Output = _make("output", parts)
    if output is None:
        return placeholder
    try:
        return output(placeholder)
    except Exception as error:
        raise OutputError(error) from error


_JOB_STATUS: Final = class_path(JobStatus)


def _record_of(name: str, parts: list[Any], classes: Callable[[str], type] | None) -> Any:
    match name, parts:
        case "enum", [str(path), str(member)]:
            fields: dict[str, Any] = {"name": member}
        case "enum", [str(path), int(member)] if type(member) is int:
            fields = {"value": member}
        case "dataclass", [str(path), dict(fields)] if STR.issuperset(map(type, fields)):
            pass
        case _:
            raise SerializationError(f"these bytes were damaged: they hold {shown(parts)}, which is no {name}")
    if path == _JOB_STATUS:  # a word of rqdeps' own, which everybody who reads results has
        return made(JobStatus, path, fields, is_member=True)
    if classes is None:
        return Unbuilt(path, fields, is_member=name == "enum")
    return made(classes(path), path, fields, is_member=name == "enum")


def _make(name: str, parts: list[Any]) -> Any:
    make = _MAKERS.get(name)
    if make is None:
        raise SerializationError(f"these bytes hold a value of the type {name!r}: a newer version wrote them")
    try:
        return make(*parts)
    except JobTimeoutError:
        raise
    except Exception as error:  # whatever the parts may be; in sets and dicts also what a class's own __hash__ raises
        raise SerializationError(f"these bytes hold a {name} that can't be made: {error}") from error
