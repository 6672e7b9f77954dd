import pytest

import shop


@pytest.fixture
def q(rqdeps_queue):
    """The queue of the shop, without a server, and nobody is charged."""
    rqdeps_queue.take_over(shop.q)
    rqdeps_queue.replace(shop.charge, lambda number, price: f"receipt {number} of {price}")
    return rqdeps_queue
