from pathlib import Path

from rqdeps import Queue

from steps import add_up, count_words, describe, drop_short, how_often, longest, most_common, read_words

TEXT = "zen.txt"

q = Queue(url="embedded:./data")


def sequential():
    """One after the other: each job takes what the one before it returned."""
    words = q.enqueue(read_words, TEXT)
    long_words = q.enqueue(drop_short, words.output)
    return q.enqueue(most_common, long_words.output)


def fan_out():
    """One, then many: all take the same output and know nothing of each other, so they run side by side."""
    words = q.enqueue(read_words, TEXT)
    return {word: q.enqueue(how_often, word, words.output) for word in ("better", "never", "idea")}


def fan_in():
    """Many, then one: a list of outputs waits for all of them, and keeps their order."""
    counts = [q.enqueue(count_words, line) for line in Path(TEXT).read_text().splitlines()]
    return q.enqueue(add_up, [count.output for count in counts])


def diamond():
    """One, then two side by side, then one that takes what both returned."""
    words = q.enqueue(read_words, TEXT)
    most_common_word = q.enqueue(most_common, words.output)
    longest_word = q.enqueue(longest, words.output)
    return q.enqueue(describe, most_common_word.output, longest_word.output)


# All four are enqueued before the first is waited for: what need not wait for each other runs at the same time.
best, counts, total, summary = sequential(), fan_out(), fan_in(), diamond()

print("sequential:", best.wait(timeout=60))
print("fan-out:   ", {word: count.wait(timeout=60) for word, count in counts.items()})
print("fan-in:    ", total.wait(timeout=60))
print("diamond:   ", summary.wait(timeout=60))
print(summary.graph())
