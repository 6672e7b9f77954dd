"""What is wrong with a deployment, and what to do: its server and its data are looked at, and never changed."""

from rqdeps.doctor.findings import Finding, Level, Section
from rqdeps.doctor.look import CouldNotLookError, look_around

__all__ = ["CouldNotLookError", "Finding", "Level", "Section", "look_around"]
