"""Runs the programs of a module on the server at a socket, in one of its databases.

Prints what they observe, as JSON.
"""

from __future__ import annotations

import importlib
import inspect
import json
import logging
import sys
import traceback
import warnings

from redis import Redis


def main() -> None:
    """Runs the programs."""
    socket, database, module = sys.argv[1:]
    logging.disable()
    warnings.simplefilter("ignore")
    observed = {}
    for name, program in vars(importlib.import_module(f"at_home.{module}")).items():
        is_here = inspect.isfunction(program) and program.__module__ == f"at_home.{module}"
        if is_here and not name.startswith("_"):
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
