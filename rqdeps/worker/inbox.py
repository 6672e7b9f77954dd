"""What a worker does with the messages in its inbox."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable

from rqdeps.store.calls.inbox import SHUTDOWN, STOP, Message

log = logging.getLogger("rqdeps.worker")


class Inbox:
    """Passes messages on to who acts on them.

    Args:
        stop_jobs: called with the claims whose jobs a person wants stopped: id and fence of each.
        shut_down: called when a person wants the worker to end.
    """

    def __init__(self, stop_jobs: Callable[[list[tuple[str, int]]], None], shut_down: Callable[[], object]) -> None:
        self._stop_jobs = stop_jobs
        self._shut_down = shut_down

    def hear(self, messages: Iterable[Message]) -> None:
        """Acts on messages. What says nothing to this release is logged and passed over."""
        to_stop = []
        for message in messages:
            if (message.word, message.about) == (SHUTDOWN, ""):
                log.warning("asked to end: finishing what runs, then ending")
                self._shut_down()
                continue
            try:
                if message.word != STOP:
                    raise ValueError("it is no word that this release knows")
                to_stop.append(message.claim)
            except ValueError as error:
                log.warning("a message to this worker is passed over, %r: %s", f"{message.word} {message.about}", error)
        if to_stop:
            self._stop_jobs(to_stop)
