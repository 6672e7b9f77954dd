"""The line on standard error that says how far something has come."""

from __future__ import annotations

import sys

import pytest

from rqdeps.progress_line import ProgressLine, bar


def on_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Standard error is a terminal of 20 columns from now on."""
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "20")


@pytest.mark.parametrize(
    ("share", "filled"), [(0.0, 0), (0.01, 0), (0.0625, 1), (0.5, 8), (0.99, 15), (0.9999, 15), (1.0, 16)]
)
def test_a_bar_is_full_only_at_the_end(share: float, filled: int):
    assert bar(share) == "█" * filled + "░" * (16 - filled)


def test_a_line_is_cut_to_the_terminal(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch):
    on_terminal(monkeypatch)
    with ProgressLine() as line:
        line.show("0123456789" * 3)
        line.show("short")
    assert capsys.readouterr().err == f"\r{'0123456789' * 2:.19}\rshort{' ' * 14}\n"


def test_what_takes_two_columns_is_cut_in_time_and_overwritten(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    on_terminal(monkeypatch)
    with ProgressLine() as line:
        line.show("漢" * 30)
        line.show("12")
    assert capsys.readouterr().err == f"\r{'漢' * 9}\r12{' ' * 16}\n"


def test_the_last_line_takes_the_place_of_the_others_too(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    on_terminal(monkeypatch)
    with ProgressLine() as line:
        line.show("half")
        line.show("all", is_last=True)
    assert capsys.readouterr().err == "\rhalf\rall \n"


def test_the_line_is_left_when_what_it_tells_of_is_interrupted(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    on_terminal(monkeypatch)

    def interrupted() -> None:
        with ProgressLine() as line:
            line.show("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert capsys.readouterr().err == "\rhalf\n"


@pytest.mark.parametrize("is_terminal", [True, False])
def test_what_could_move_a_cursor_is_spelled_out(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, is_terminal: bool
):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: is_terminal)
    with ProgressLine() as line:
        line.show("a\x1b[2J\n\x9bb")
    assert capsys.readouterr().err.strip() == r"a\x1b[2J\n\x9bb"


def test_elsewhere_the_first_and_the_last_line_are_written_and_none_twice(capsys: pytest.CaptureFixture[str]):
    with ProgressLine() as line:
        for text in ("one", "two", "three"):
            line.show(text)
        line.show("end", is_last=True)
        line.show("end", is_last=True)
    assert capsys.readouterr().err == "one\nend\n"
