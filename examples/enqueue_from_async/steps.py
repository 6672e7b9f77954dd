"""What workers run: plain functions, the same for programs with and without asyncio."""

import math
import os
from itertools import pairwise


def primes_between(first, end):
    """The primes from first up to, but not including, end."""
    return [
        number
        for number in range(max(first, 2), end)
        if all(number % divisor for divisor in range(2, math.isqrt(number) + 1))
    ]


def widest_gap(parts):
    """The two neighbours among the primes that are furthest apart."""
    primes = [prime for part in parts for prime in part]
    return max(pairwise(primes), key=lambda pair: pair[1] - pair[0])


def write_primes(path, parts):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w") as file:
        file.writelines(f"{prime}\n" for part in parts for prime in part)


def count_lines(path):
    with open(path) as file:
        return sum(1 for _ in file)
