"""A job queue on Redis or Valkey for jobs that wait for other jobs."""

from rqdeps.version import __version__

__all__ = ["__version__"]
