"""One adapter a queue: what ``python -m benchmarks`` asks of it, written as its own users would write it."""
