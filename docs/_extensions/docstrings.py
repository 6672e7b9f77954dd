"""What autodoc makes of signatures and docstrings, where that is not what they say."""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping
from typing import Any

from sphinx.application import Sphinx

#: Before napoleon's turn, and after it.
_BEFORE, _AFTER = 400, 600

#: An attribute as napoleon writes it: its name, what it is, its type.
_ATTRIBUTE = re.compile(r"^(\.\. attribute:: \w+\n)((?:\n|   (?!:type:).*\n)*)   (:type: .*\n)", re.MULTILINE)

#: Where a name with its module begins.
_MODULE = re.compile(r"\b(?=(\w+\.)+\w)(?<![\w.])")


def keep_types_as_written(app: Sphinx, found: Any, is_bound: bool) -> None:
    """``Duration`` and ``Rule`` are easier to read than what they stand for, to which autodoc would resolve them."""
    if inspect.isfunction(found) and found.__annotations__:
        found.__signature__ = inspect.signature(found)
        found.__annotations__ = {}


def hide_arguments_of_what_is_given(
    app: Sphinx,
    what: str,
    name: str,
    found: Any,
    options: Mapping[str, Any],
    arguments: str | None,
    returns: str | None,
) -> tuple[str, None] | None:
    """Programs do not make instances of a class whose docstring has no ``Args``."""
    if arguments and inspect.isclass(found) and "\nArgs:\n" not in (inspect.getdoc(found) or ""):
        return "", None
    return None


def read_no_type_in_text(
    app: Sphinx, what: str, name: str, found: Any, options: Mapping[str, Any], lines: list[str]
) -> None:
    """What stands before the first colon of what is said of a value is no type, as napoleon would have it."""
    if what in ("attribute", "data", "property"):
        lines[:0] = ["..", ""]


def show_types_beside_names(
    app: Sphinx, what: str, name: str, found: Any, options: Mapping[str, Any], lines: list[str]
) -> None:
    """The type of an attribute stands where that of a property does, and as short."""

    def shown(found: re.Match[str]) -> str:
        return f"{found[1]}   {_MODULE.sub('~', found[3])}{found[2]}"

    lines[:] = _ATTRIBUTE.sub(shown, "".join(f"{line}\n" for line in lines)).splitlines()


def setup(app: Sphinx) -> dict[str, bool]:
    """Connects them."""
    app.connect("autodoc-before-process-signature", keep_types_as_written)
    app.connect("autodoc-process-signature", hide_arguments_of_what_is_given)
    app.connect("autodoc-process-docstring", read_no_type_in_text, _BEFORE)
    app.connect("autodoc-process-docstring", show_types_beside_names, _AFTER)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
