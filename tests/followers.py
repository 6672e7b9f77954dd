"""Jobs, and what follows them, for tests of ``rqdeps.testing``. What ran is told by ``told``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from redis import Redis

from rqdeps import DoNotRetry, Queue, Snooze, get_current_job
from rqdeps.decorators import job

#: Queues and a client as a program makes them, of servers that are not there.
queue = Queue("orders", url="redis://localhost:1")
client = Redis(port=1)

of_client = Queue("of_client", client)

told: list[Any] = []
kept: list[Queue] = []


@dataclass
class Order:
    number: int
    note: str = ""


def tell(*words: Any) -> None:
    told.append(words[0] if len(words) == 1 else words)


def take(order: Order, *, urgent: bool = False) -> int:
    return order.number


def on_success(job: Any, connection: Any, result: Any) -> None:
    told.append(("success", result))


def on_failure(job: Any, connection: Any, kind: type, value: BaseException, traceback: Any) -> None:
    told.append(("failure", value))


def handler(job: Any, kind: type, value: BaseException, traceback: Any) -> None:
    told.append(("handled", value))


def stand_in_for_failed(*args: Any) -> str:
    failed = get_current_job().failed_job
    return f"instead, after {failed.message}"


def spawner() -> list[Any]:
    job = get_current_job()
    return [job.spawn(take, Order(number)).output for number in range(2)]


def itself() -> None:
    Queue().enqueue(itself)


def snooze_once() -> int:
    if get_current_job().attempt == 1:
        raise Snooze("1h")
    return get_current_job().attempt


def no_use() -> None:
    raise DoNotRetry("no use")


async def awaited(value: Any) -> Any:
    return value


def place() -> None:
    Queue().enqueue(tell, "placed")


def keep() -> None:
    kept[:] = [Queue("of_job")]


@job("decorated")
def decorated(word: str) -> None:
    told.append(word)
