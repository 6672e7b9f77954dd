"""Runs all programs on the server at a socket, in one of its databases, and prints what they observe as JSON."""

from __future__ import annotations

import importlib
import inspect
import json
import logging
import sys
import traceback
import warnings

from redis import Redis

MODULES = ("enqueueing", "graphs", "looking")


def main() -> None:
    """Runs the programs whose names are given, or all."""
    socket, database, *only = sys.argv[1:]
    logging.disable()
    warnings.simplefilter("ignore")
    observed = {}
    for module in MODULES:
        for name, program in vars(importlib.import_module(f"at_home.{module}")).items():
            if not inspect.isfunction(program) or program.__module__ != f"at_home.{module}" or name.startswith("_"):
                continue
            if not only or name in only:
                with Redis(unix_socket_path=socket, db=int(database)) as connection:
                    connection.flushdb()
                    observed[name] = _observe(program, connection)
    json.dump(observed, sys.stdout)


def _observe(program, connection):
    try:
        return program(connection)
    except Exception:
        return {"error": traceback.format_exc()}


main()
