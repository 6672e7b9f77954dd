"""Connections made beside the select loop, which goes on meanwhile, however long a server takes to answer."""

from __future__ import annotations

import selectors
import socket
import threading
from collections.abc import Callable, Sequence

from rqdeps.store.wire import Wire


class Connecting:
    """Connects wires in a thread of its own, and tells the select loop once that has ended.

    No process may be forked before: it would inherit whatever lock the thread holds at that moment, and wait for it for
    ever. Afterwards the thread is gone.

    Args:
        wires: what to connect, one after the other, up to the first that fails.
        selector: the select loop.
        then: called in the loop once all are connected, or with the error of one that failed; all are closed then.
    """

    def __init__(
        self, wires: Sequence[Wire], selector: selectors.BaseSelector, then: Callable[[BaseException | None], None]
    ) -> None:
        self._wires = wires
        self._selector = selector
        self._then = then
        self._error: BaseException | None = None
        self._lock = threading.Lock()
        self._is_given_up = False
        self._has_ended = False
        self._end, self._told = socket.socketpair()
        selector.register(self._told, selectors.EVENT_READ, self._on_end)
        # Nobody waits for it at the end of the process: what it waits for may never come.
        self._thread = threading.Thread(target=self._connect, name="rqdeps-connect", daemon=True)
        try:
            self._thread.start()
        except RuntimeError:
            self._stop_listening()
            self._end.close()
            raise

    def give_up(self) -> None:
        """Whatever comes of it, nobody is told, and the wires are closed."""
        self._stop_listening()
        with self._lock:
            self._is_given_up = True
            if self._has_ended:
                self._close_wires()

    # In the thread

    def _connect(self) -> None:
        try:
            for wire in self._wires:
                wire.connect()
        except BaseException as error:  # told in the loop
            self._error = error
        with self._lock:
            self._has_ended = True
            if self._is_given_up or self._error is not None:
                self._close_wires()
        self._end.close()  # which the other end hears

    # In the select loop

    def _on_end(self) -> None:
        self._thread.join()
        self._stop_listening()
        self._then(self._error)

    def _stop_listening(self) -> None:
        self._selector.unregister(self._told)
        self._told.close()

    def _close_wires(self) -> None:
        for wire in self._wires:
            wire.close()
