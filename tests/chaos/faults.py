"""Faults on purpose: each is put into a copy of rqdeps, which the suite must then find guilty."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import rqdeps

_TESTS = Path(__file__).parent.parent


class StalePatchError(Exception):
    """The text that a patch replaces does not stand there exactly once: the code has changed since."""


@dataclass(frozen=True)
class Patch:
    """A text in a file of the package, and what to put in its place.

    Attributes:
        file: its path inside the package.
        old: the text.
        new: what replaces it.
    """

    file: str
    old: str
    new: str

    def applied(self, package: Path) -> str:
        """The whole file with the fault.

        Raises:
            StalePatchError: the text is not there, or more than once.
        """
        text = (package / self.file).read_text("utf-8")
        if text.count(self.old) != 1:
            raise StalePatchError(f"{self.file} holds {self.old!r} {text.count(self.old)} times")
        return text.replace(self.old, self.new)


_LUA = "store/lua"

#: Each fault by its name.
FAULTS: dict[str, list[Patch]] = {
    "fence removed": [
        Patch(
            f"{_LUA}/settle.lua",
            "j.status == 'started' and j.fence == tonumber(fence) and",
            "j.status == 'started' and",
        ),
        Patch(
            f"{_LUA}/settle.lua",
            "if facts[1] ~= 'started' or facts[2] ~= fence then",
            "if facts[1] ~= 'started' then",
        ),
    ],
    "cascade dropped": [
        Patch(
            f"{_LUA}/lib/delivery.lua",
            "    if cascade.restarted then\n      return cost\n    end\n  end\n  if #page",
            "    if cascade.restarted or i > 2 then\n      break\n    end\n  end\n  if #page",
        )
    ],
    "release before settle": [
        Patch(
            f"{_LUA}/lib/claim.lua",
            "  move(j, 'started', fields, { left = true, due = now + lease_ms })\n",
            "  move(j, 'started', fields, { left = true, due = now + lease_ms })\n"
            "  if begun and j.linked > 0 then\n"
            "    j.status = 'finished'\n"
            "    cascades.begin(j)\n"
            "    claim.has_canceled = true\n"
            "  end\n",
        )
    ],
    "recover without fence": [
        Patch(
            f"{_LUA}/lib/recover.lua",
            "    move(j, 'queued', fields, { front = true })\n",
            "    fields[#fields + 1] = 'holder'\n"
            "    fields[#fields + 1] = 'recovered'\n"
            "    move(j, 'queued', fields, { front = true })\n",
        ),
        Patch(
            f"{_LUA}/lib/claim.lua",
            "local fence = math.max(j.fence + 1, now_us)",
            "local fence = j.holder == 'recovered' and j.fence or math.max(j.fence + 1, now_us)",
        ),
    ],
    "marker not put back": [
        Patch(
            f"{_LUA}/lib/claim.lua",
            "      wake.mark(queue)\n      more = true\n",
            "      more = true\n",
        )
    ],
    "stop forgotten on recovery": [
        Patch(
            f"{_LUA}/lib/recover.lua",
            "  if j.stop then\n    become(j, 'stopped', fields)\n  elseif j.deaths",
            "  if j.stop then\n    job.drop(j, { 'stop' })\n  end\n  if j.deaths",
        )
    ],
    "spawn committed twice": [
        Patch(
            f"{_LUA}/maintain.lua",
            "    budget = budget - gates.give_up(gate, budget)\n",
            "    gates.open(gate)\n",
        ),
        Patch(
            f"{_LUA}/stage.lua",
            "    return { 'abandoned', left_behind }\n",
            "    gates.open(left_behind)\n",
        ),
    ],
    "retention off": [
        Patch(
            f"{_LUA}/lib/forget.lua",
            "  if needed == 'yes' then\n",
            "  if needed ~= 'unknown' then\n",
        )
    ],
    "need ignored": [
        Patch(
            f"{_LUA}/lib/forget.lua",
            "    needed, looks = is_needed(j)\n",
            "    needed, looks = 'no', 1\n",
        )
    ],
}


def apply(name: str, package: Path) -> None:
    """Puts a fault into a copy of the package."""
    for patch in FAULTS[name]:
        (package / patch.file).write_text(patch.applied(package), "utf-8")


def is_caught(name: str, minutes: float, seed: int) -> bool:
    """Runs the suite on a copy of the package with a fault, and says whether it was found."""
    original = Path(rqdeps.__file__).parent
    with tempfile.TemporaryDirectory() as folder:
        package = Path(folder) / "rqdeps"
        shutil.copytree(original, package, ignore=shutil.ignore_patterns("__pycache__"))
        apply(name, package)
        command = [sys.executable, "-m", "chaos", "--quiet", "--minutes", str(minutes), "--seed", str(seed)]
        path = os.pathsep.join([folder, str(_TESTS)])
        began = time.monotonic()
        done = subprocess.run(
            command, cwd=_TESTS, env=os.environ | {"PYTHONPATH": path}, stdout=subprocess.PIPE, text=True, check=False
        )
    print(done.stdout)
    if not done.stdout:
        raise RuntimeError(f"the suite itself fell, with code {done.returncode}")
    verdict = "caught" if done.returncode else "NOT CAUGHT"
    print(f"{name}: {verdict} after {time.monotonic() - began:.0f} s (seed {seed})")
    return done.returncode != 0
