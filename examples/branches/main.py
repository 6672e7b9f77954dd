from rqdeps import Dependency, JobFailedError, Queue

from steps import add_up, archive, read_numbers, set_aside, tell, write_letter

q = Queue(url="embedded:./data")


def branches(text):
    """One job decides, by returning or by failing, which of two branches runs; then they come together again."""
    numbers = q.enqueue(read_numbers, text)

    # If it finishes. The output says it already; without one it is depends_on=numbers, whose rule is all_success.
    total = q.enqueue(add_up, numbers.output)

    # If it fails. Not all_done: that would run after a success as well.
    aside = q.enqueue(set_aside, text, depends_on=Dependency(numbers, rule="all_failed"))

    # In both cases. This is what all_done is for.
    kept = q.enqueue(archive, text, depends_on=Dependency(numbers, rule="all_done"))

    # After whichever branch was taken, if that finished. Not none_failed_min_one_success: where read_numbers fails,
    # add_up is upstream_failed, which counts as failed.
    told = q.enqueue(
        tell,
        total.output_or(None),
        aside.output_or(None),
        depends_on=Dependency([total, aside], rule="all_done_min_one_success"),
    )
    return {"read_numbers": numbers, "add_up": total, "set_aside": aside, "archive": kept, "tell": told}


def letter(*texts):
    """After several branches of which some are not taken: those are skipped, which does not count as failed."""
    asides = [jobs["set_aside"] for jobs in texts]
    return q.enqueue(
        write_letter,
        [aside.output_or(None) for aside in asides],
        depends_on=Dependency(asides, rule="none_failed_min_one_success"),  # if all are skipped, so is this
    )


def end_of(job):
    try:
        job.wait(timeout=60)
    except JobFailedError as error:  # it ended, but did not finish
        return error.status
    return "finished"


good, bad = branches("3 4 5"), branches("six 7")
nothing_to_correct, something_to_correct = letter(good), letter(good, bad)

print(f"{'job':14}{'3 4 5':12}six 7")
for name in good:
    print(f"{name:14}{end_of(good[name]):12}{end_of(bad[name])}")
print(good["tell"].result)
print(bad["tell"].result)
print("letter if nothing was set aside:", end_of(nothing_to_correct))
print("letter if something was:", something_to_correct.wait(timeout=60))
