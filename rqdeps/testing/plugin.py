"""Fixtures for pytest, which loads this wherever rqdeps is installed: so it imports next to nothing by itself."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from rqdeps import testing
from rqdeps.errors import EmbeddedServerError

if TYPE_CHECKING:
    from rqdeps.testing import FakeQueue, RealServer, WorkerProcess

_MARK = "rqdeps_worker(*queues, **options): the queues that the fixture rqdeps_worker serves, and options of Worker"


def pytest_configure(config: pytest.Config) -> None:
    """Makes the mark known."""
    config.addinivalue_line("markers", _MARK)


@pytest.fixture
def rqdeps_queue() -> Iterator[FakeQueue]:
    """A queue without a server; ``rqdeps_queue.drain()`` runs its jobs. See ``rqdeps.testing.FakeQueue``."""
    try:
        queue = testing.FakeQueue()
    except testing.ExtraMissingError as error:
        raise pytest.fail.Exception(str(error), pytrace=False) from None
    with queue:
        yield queue


@pytest.fixture(scope="session")
def _rqdeps_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealServer]:
    with ExitStack() as stack:
        try:
            server = stack.enter_context(testing.RealServer(tmp_path_factory.mktemp("rqdeps")))
        except EmbeddedServerError as error:
            raise pytest.fail.Exception(str(error), pytrace=False) from None
        yield server


@pytest.fixture
def rqdeps_server(_rqdeps_server: RealServer) -> Iterator[RealServer]:
    """A real server, empty: one for all tests, cleared before each. See ``rqdeps.testing.RealServer``."""
    with _rqdeps_server.for_a_test() as server:
        yield server


@pytest.fixture
def rqdeps_worker(request: pytest.FixtureRequest, rqdeps_server: RealServer) -> Iterator[WorkerProcess]:
    """A worker in a process of its own, for the server of ``rqdeps_server``. See ``rqdeps.testing.WorkerProcess``.

    It serves the queue ``default``; ``@pytest.mark.rqdeps_worker("mail", processes=2)`` says otherwise.
    """
    mark = request.node.get_closest_marker("rqdeps_worker")
    args, options = (mark.args, mark.kwargs) if mark is not None else ((), {})
    with testing.WorkerProcess(rqdeps_server, *args, **options) as worker:
        yield worker
