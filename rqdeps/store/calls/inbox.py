"""Messages to a worker: a word that says what to do, a blank, and what it is about."""

from __future__ import annotations

from dataclasses import dataclass

from rqdeps.store.calls.call import Call, text

#: The job of a claim is to be stopped: ``stop ID:FENCE``.
STOP = "stop"

#: The worker is to end once what it runs has ended.
SHUTDOWN = "shutdown"


@dataclass(frozen=True)
class Message:
    """What somebody put into a worker's inbox.

    Attributes:
        word: what to do; releases to come may know words that this one doesn't.
        about: what it is about.
    """

    word: str
    about: str

    @property
    def claim(self) -> tuple[str, int]:
        """The claim that it is about: id and fence.

        Raises:
            ValueError: it is about something else.
        """
        job_id, _, fence = self.about.rpartition(":")
        return job_id, int(fence)


def read_message(value: bytes) -> Message:
    """A message as it stands in an inbox."""
    word, _, about = text(value).partition(" ")
    return Message(word, about)


def tell(worker: str, message: str) -> Call[bool]:
    """Puts a message into a worker's inbox. The result says whether there is such a worker."""
    return Call("tell", [worker, message], bool)
