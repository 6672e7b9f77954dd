"""Messages to a worker, and what it makes of them."""

from __future__ import annotations

import pytest

from rqdeps.store.calls.inbox import read_message
from rqdeps.worker.inbox import Inbox


@pytest.mark.parametrize("strange", [b"dance now", b"stop", b"stop it", b"stop it:now", b"", b"stopped a:1"])
def test_what_says_nothing_to_a_worker_is_logged_and_passed_over(
    strange: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    stopped: list[list[tuple[str, int]]] = []
    inbox = Inbox(stopped.append, pytest.fail)
    inbox.hear([read_message(message) for message in (b"stop first:1", strange, b"stop second:22")])
    assert stopped == [[("first", 1), ("second", 22)]]
    (record,) = caplog.records
    assert "is passed over" in record.getMessage()
    assert strange.decode().strip() in record.getMessage()


def test_no_message_stops_nothing() -> None:
    stopped: list[list[tuple[str, int]]] = []
    Inbox(stopped.append, pytest.fail).hear([])
    assert stopped == []


def test_a_worker_that_is_asked_to_end_does() -> None:
    asked: list[str] = []
    Inbox(lambda claims: None, lambda: asked.append("to end")).hear([read_message(b"shutdown")])
    assert asked == ["to end"]
