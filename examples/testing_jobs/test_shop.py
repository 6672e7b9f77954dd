"""Without a server: what is enqueued, in which order it runs, what becomes of failures."""

import pytest

from rqdeps import JobTimeoutError
from rqdeps.testing import assert_enqueued, assert_failed, assert_finished, assert_not_enqueued, assert_ran_before
import shop


def test_an_order_is_charged_before_its_invoice_is_mailed(q):
    mailed = shop.take_order(7, "ada@example.com", 30)
    charged = assert_enqueued(shop.charge, args=(7, 30), depends_on=[])
    assert_enqueued(shop.mail, depends_on=[charged, shop.write_invoice])
    q.drain()
    assert mailed.result == "mailed to ada@example.com: Invoice 7, paid with receipt 7 of 30"
    assert_ran_before(shop.charge, shop.mail)
    assert_not_enqueued(shop.print_letter, status="finished")


def test_the_customer_is_asked_a_day_later(q):
    shop.take_order(7, "ada@example.com", 30)
    q.drain()
    asked = assert_enqueued(shop.ask_how_it_was, delay="1d", status="scheduled")
    assert q.drain() == []
    q.advance("1d")
    assert q.drain() == [asked]


def test_a_bank_that_does_not_answer_is_asked_again(q):
    q.fail(shop.charge, ConnectionError("no answer"), times=1)
    q.time_out(shop.charge, times=1)  # which comes first: what is said last counts first
    mailed = shop.take_order(7, "ada@example.com", 30)
    q.drain()
    q.advance("1m")
    q.drain()
    assert mailed.is_deferred
    q.advance("10m")
    q.drain()
    assert_finished(mailed)
    charged = assert_enqueued(shop.charge)
    assert [attempt.error_type for attempt in charged.attempts] == [
        "rqdeps.errors.JobTimeoutError",
        "builtins.ConnectionError",
    ]


def test_nothing_is_mailed_that_was_not_paid(q):
    q.time_out(shop.charge, times=None)
    mailed = shop.take_order(7, "ada@example.com", 30)
    q.drain()
    q.advance()  # to the next attempt, whenever that is
    q.drain()
    q.advance()
    with pytest.raises(JobTimeoutError):
        q.drain()
    assert_failed(assert_enqueued(shop.charge), JobTimeoutError)
    assert mailed.is_upstream_failed


def test_a_letter_is_written_where_mail_does_not_arrive(q):
    q.fail(shop.mail, ValueError("no such address"))
    shop.take_order(7, "ada@example", 30)
    q.drain()
    assert assert_finished(assert_enqueued(shop.print_letter)) == "a letter to ada@example about order 7"
