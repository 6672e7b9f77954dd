"""Functions that enqueue themselves."""

from __future__ import annotations

import fakeredis
import pytest

from rqdeps import Queue, SimpleWorker
from rqdeps.decorators import job

CLIENT = fakeredis.FakeRedis()


@job("reports", connection=CLIENT, timeout="5m", retry=2, description="adds")
def add(left: int, right: int = 0) -> int:
    return left + right


@job(Queue("mail", connection=CLIENT), at_front=True)
def mail(whom: str, **rest: object) -> str:
    return f"to {whom}"


@pytest.fixture(autouse=True)
def clear() -> None:
    CLIENT.flushall()


def test_a_decorated_function_is_called_as_before_and_enqueues_itself() -> None:
    assert add(1, 2) == 3
    assert (add.__name__, add.__module__) == ("add", __name__)
    first = add.enqueue(1, right=2)
    second = add.delay(5, depends_on=first, job_id="second", at_front=False)
    assert (first.origin, first.timeout, first.retries_left, first.description) == ("reports", 300, 2, "adds")
    assert (second.id, second.get_status()) == ("second", "deferred")
    SimpleWorker("reports", connection=CLIENT).work(burst=True)
    assert (first.result, second.result) == (3, 5)


def test_the_options_of_a_call_come_before_those_of_the_decorator() -> None:
    back, front = mail.enqueue("back", at_front=False), mail.enqueue("front")
    assert Queue("mail", connection=CLIENT).job_ids == [front.id, back.id]
    assert mail.enqueue("x", job_id=None, depends_on=None).is_queued


def test_options_are_checked_when_the_function_is_decorated() -> None:
    with pytest.raises(TypeError, match="there is no option 'retries'"):
        job("reports", connection=CLIENT, retries=3)  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="given under two names"):
        job("reports", connection=CLIENT, timeout=5, job_timeout=6)
