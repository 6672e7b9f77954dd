import re
from collections import Counter
from pathlib import Path

SHORTEST = 4


def read_words(path):
    return words_of(Path(path).read_text())


def words_of(text):
    return re.findall(r"[a-z']+", text.lower())


def drop_short(words):
    return [word for word in words if len(word) >= SHORTEST]


def most_common(words):
    return Counter(words).most_common(1)[0][0]


def how_often(word, words):
    return words.count(word)


def count_words(line):
    return len(words_of(line))


def add_up(numbers):
    return sum(numbers)


def longest(words):
    return max(words, key=len)


def describe(most_common_word, longest_word):
    return f"most often it says {most_common_word!r}, and the longest word is {longest_word!r}"
