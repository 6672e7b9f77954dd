"""Moves the jobs that wait in an RQ deployment into rqdeps. RQ itself is not needed: its keys are read as they are."""
