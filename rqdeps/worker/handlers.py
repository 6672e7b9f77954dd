"""How signals are handled: asked and set without the enums that ``signal`` makes, which take 20 times as long."""

from __future__ import annotations

from importlib import import_module
from typing import Any, Final

_signal: Any = import_module("_signal")  # what signal itself calls; typeshed does not know it

#: As ``signal.getsignal``, with the plain numbers 0 and 1 for ``SIG_DFL`` and ``SIG_IGN``.
handler_of: Final = _signal.getsignal

#: As ``signal.pthread_sigmask``, likewise.
set_mask: Final = _signal.pthread_sigmask

#: As ``signal.signal``, likewise.
set_handler: Final = _signal.signal
