"""What rqdeps promises about a set of jobs, as plain Python: no server, no order of keys, no clock.

A job knows of each of its dependencies what it was told last: in which epoch, and how it ended. Commands change jobs at
once; that others are told of it are steps of their own (``tell``, ``apply_policy``, ``let_through``, ``let_in``,
``remove``), which the store may take in whatever portions. The model does not say when they are taken: ``follower.py``
finds the steps that lead to what is stored. All else the model decides alone.
"""

from model.jobs import ModelJob
from model.people import People
from model.workers import Workers

__all__ = ["Model", "ModelJob"]


class Model(People, Workers):
    """All jobs that exist, and all that can be done to them."""
