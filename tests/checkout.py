"""Puts the repository at the end of the path, for what it has beside the package: importing this is enough.

At the end, since tests are about the rqdeps that is installed.
"""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent

sys.path.append(str(ROOT))
