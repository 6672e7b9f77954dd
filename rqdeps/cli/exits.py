"""What commands exit with."""

from __future__ import annotations

from typing import Final

#: Something was refused or went wrong: a job that failed, a server that does not answer, a problem found by ``doctor``.
REFUSED: Final = 1

#: The command was given wrongly; also ``workflow wait`` and ``doctor`` where they could not wait, or look.
WRONG_USAGE: Final = 2

#: ``server status``: no server runs, as ``systemctl`` and init scripts have it. ``workflow wait``: it was canceled.
NOT_RUNNING: Final = 3
CANCELED: Final = 3

#: The time to wait was over, as ``timeout`` has it.
TIMED_OUT: Final = 124

#: Ended by Ctrl-C, as shells have it.
INTERRUPTED: Final = 130
