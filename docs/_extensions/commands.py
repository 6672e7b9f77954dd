"""The directive ``commands``: every command of ``rqdeps`` with what it takes, as click knows them."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from itertools import cycle

import click
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from rqdeps.cli import main

#: What stands alone in a line of a help text whose paragraph keeps its lines.
_AS_IT_IS = "\b"


class Commands(SphinxDirective):
    """A section for each command, and within it for each of its own."""

    def run(self) -> list[nodes.Node]:
        """Makes the sections."""
        return list(self._sections(click.Context(main, info_name="rqdeps")))

    def _sections(self, context: click.Context) -> Iterator[nodes.section]:
        assert isinstance(context.command, click.Group)
        for name in context.command.list_commands(context):
            command = context.command.get_command(context, name)
            if command is not None and not command.hidden:
                yield self._section(click.Context(command, info_name=name, parent=context))

    def _section(self, context: click.Context) -> nodes.section:
        section = nodes.section("", nodes.title("", "", nodes.literal("", context.command_path)))
        section["names"].append(context.command_path)
        self.state.document.note_implicit_target(section, section)
        section += _paragraphs(context.command.help or "")
        if isinstance(context.command, click.Group):
            section += list(self._sections(context))
            return section
        usage = " ".join([context.command_path, *context.command.collect_usage_pieces(context)])
        section += nodes.literal_block(usage, usage, language="text")
        options = [each for each in context.command.params if isinstance(each, click.Option)]
        records = [option.get_help_record(context) for option in options]
        section += nodes.definition_list("", *[_option(*record) for record in records if record is not None])
        section += _paragraphs(context.command.epilog or "")
        return section


def _option(name: str, text: str) -> nodes.definition_list_item:
    term, definition = nodes.term("", "", nodes.literal("", name)), nodes.definition("", *_paragraphs(text))
    return nodes.definition_list_item("", term, definition)


def _paragraphs(text: str) -> list[nodes.Element]:
    """What click shows of a help text: its paragraphs filled, but for those that keep their lines."""
    found: list[nodes.Element] = []
    for paragraph in inspect.cleandoc(text).partition("\f")[0].split("\n\n"):
        if paragraph.startswith(_AS_IT_IS):
            block = paragraph.removeprefix(_AS_IT_IS).strip("\n")
            found.append(nodes.literal_block(block, block, language="text"))
        elif paragraph:
            found.append(nodes.paragraph("", "", *_words(paragraph)))
    return found


def _words(text: str) -> list[nodes.Node]:
    """Text, with code between backticks."""
    return [
        nodes.literal("", part) if is_code else nodes.Text(part)
        for part, is_code in zip(text.split("`"), cycle((False, True)))
        if part
    ]


def setup(app: Sphinx) -> dict[str, bool]:
    """Makes the directive known."""
    app.add_directive("commands", Commands)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
