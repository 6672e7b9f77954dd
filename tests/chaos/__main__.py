"""``python -m chaos``: runs the chaos suite, or shows that it catches a fault."""

from __future__ import annotations

import argparse
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path

from chaos import faults
from chaos.suite import Suite


def main() -> int:
    """Runs it. Returns the exit code: 1 if anything was found, or a fault was not."""
    parser = argparse.ArgumentParser(prog="chaos", description=__doc__)
    parser.add_argument("--minutes", type=float, default=0.5, help="how long to disturb (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=int(time.time()), help="what to make the schedule from")
    parser.add_argument("--fault", choices=sorted(faults.FAULTS), help="put this fault into a copy of rqdeps first")
    parser.add_argument("--keep", action="store_true", help="keep what was written down")
    parser.add_argument("--quiet", action="store_true", help="do not tell what is going on")
    chosen = parser.parse_args()
    if chosen.fault is not None:
        return 0 if faults.is_caught(chosen.fault, chosen.minutes, chosen.seed) else 1
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(f"ended by signal {number}"))  # what runs is ended too
    folder = Path(tempfile.mkdtemp(prefix="rqc", dir="/tmp"))  # paths of sockets are short
    began = time.monotonic()

    def say(what: str) -> None:
        if not chosen.quiet:
            print(f"{time.monotonic() - began:7.1f}  {what}", file=sys.stderr, flush=True)

    try:
        report = Suite(chosen.seed, chosen.minutes * 60, folder, say).run()
        print(report)
    finally:
        if chosen.keep:
            print(f"kept in {folder}", file=sys.stderr)
        else:
            shutil.rmtree(folder)
    return 0 if report.is_good else 1


if __name__ == "__main__":
    sys.exit(main())
