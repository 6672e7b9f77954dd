"""Workers: a supervisor that holds claims and talks to the server, and horses that run jobs."""

from rqdeps.worker.worker import SimpleWorker, Worker

__all__ = ["SimpleWorker", "Worker"]
