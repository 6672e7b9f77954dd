"""An order is charged, then its invoice is written, then mailed; and a day later somebody asks how it was."""

from datetime import timedelta

from rqdeps import Fallback, Queue, Retry

q = Queue(url="redis://production.example:6379")  # which nobody has, where this is tested


def take_order(number, customer, price):
    charged = q.enqueue(charge, number, price, job_timeout=60, retry=Retry(2, interval=["1m", "10m"]))
    invoice = q.enqueue(write_invoice, number, charged.output)
    mailed = q.enqueue(
        mail, customer, invoice.output, depends_on=charged, fallback=Fallback(print_letter, customer, number)
    )
    q.enqueue_in(timedelta(days=1), ask_how_it_was, customer, depends_on=mailed)
    return mailed


def charge(number, price):
    raise OSError("a program that is tested charges nobody")


def write_invoice(number, receipt):
    return f"Invoice {number}, paid with {receipt}"


def mail(customer, text):
    return f"mailed to {customer}: {text}"


def print_letter(customer, number):
    return f"a letter to {customer} about order {number}"


def ask_how_it_was(customer):
    return f"How was it, {customer}?"
