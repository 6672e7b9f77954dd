"""On what was measured, and which rqdeps: for the head of the table."""

from __future__ import annotations

import os
import platform
import subprocess
from datetime import datetime, timezone
from pathlib import Path

from benchmarks.processes import ROOT

CPUINFO = Path("/proc/cpuinfo")


def machine() -> str:
    """The processor, how many there are, and the system."""
    return f"{_processor()}, {os.cpu_count()} cores, {platform.system()} {platform.release()}"


def python() -> str:
    """The Python that runs this."""
    return f"{platform.python_implementation()} {platform.python_version()}"


def now() -> str:
    """The time, for people."""
    return datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M UTC")


def commit() -> str:
    """The commit of rqdeps, and whether files differ from it."""
    found = _git("rev-parse", "--short=10", "HEAD")
    if not found:
        return "unknown"
    return f"{found} and changes" if _git("status", "--porcelain", "--", "rqdeps") else found


def _processor() -> str:
    if CPUINFO.exists():
        for line in CPUINFO.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _git(*words: str) -> str:
    try:
        done = subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=False)
    except OSError:
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
