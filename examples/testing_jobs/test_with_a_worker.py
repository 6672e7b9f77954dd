"""With a real server and a real worker: for what shows only there, such as a process that dies."""

import os
import signal

import pytest

import shop


def die_once(path):
    if not os.path.exists(path):
        open(path, "w").close()
        os.kill(os.getpid(), signal.SIGKILL)
    return os.getpid()


def test_an_invoice_is_mailed_from_another_process(rqdeps_server, rqdeps_worker):
    rqdeps_server.take_over(shop.q)
    invoice = shop.q.enqueue(shop.write_invoice, 7, "cash")
    mailed = shop.q.enqueue(shop.mail, "ada@example.com", invoice.output)
    assert mailed.wait(timeout=30) == "mailed to ada@example.com: Invoice 7, paid with cash"


@pytest.mark.rqdeps_worker("urgent", "default", processes=2)
def test_a_job_whose_process_dies_is_tried_again(rqdeps_worker, tmp_path):
    job = rqdeps_worker.queue.enqueue(die_once, str(tmp_path / "died"), retry=1)
    assert job.wait(timeout=30) not in {os.getpid(), rqdeps_worker.pid}
    assert "SIGKILL" in job.attempts[0].message
