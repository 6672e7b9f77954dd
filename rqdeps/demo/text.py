"""A small extractive summariser: it picks the sentences that stand for most of a text, and writes none of its own.

A sentence is the frequencies of its terms, the rarer a term among the sentences the weightier. The best sentences are
closest to the sum of all; one that leans on the sentence before it, or says what a chosen one says, counts for less.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from math import log, sqrt

#: Where no heading stands, sections are a part of the text, of about so many characters at least and at most.
SECTION_PART, FEWEST_CHARACTERS, MOST_CHARACTERS = 1 / 24, 1_500, 8_000

#: A kind of heading that stands in a text this often is taken to begin its sections.
HEADINGS_THAT_DIVIDE = 4

#: Sentences of fewer or more words are passed over: they say too little, or too much.
FEWEST_WORDS, MOST_WORDS = 8, 36

#: Words that tell nothing of what a text is about.
_STOP_WORDS = frozenset(
    re.findall(
        r"\w+",
        """about above after again all also although always and another any are because become been before being below
        between both but can cannot could did does doing done down during each either else etc even ever every few
        first for from get give given goes had has have having her here hers him his how however into its itself just
        last let like made make makes many may more most much must neither never next nor not now off often once one
        ones only onto other our out over own per quite rather said same say see should since some still such take than
        that the their them themselves then there these they this those though three through thus too toward two under
        until upon use used uses using usually very was way well were what when where whether which while who whom
        whose why will with within without would yet you your""",
    )
)

#: How a sentence begins that says little without the one before it.
_LEANS_ON_ANOTHER = re.compile(
    r"(?:Again|Also|And|As (?:a result|such)|Both|But|Called|Changed|Conversely|Else|Finally|For (?:example|instance)|"
    r"Furthermore|He|Hence|Here|However|If|In (?:addition|contrast|either|other|such|that|the (?:former|latter)|this)|"
    r"Instead|It|Its|Likewise|Moreover|New in|Next|Note|Otherwise|See|She|Similarly|So|Such|That|The following|Then|"
    r"Therefore|These|They|This|Those|Thus|To do (?:so|this))\b"
)

_FENCED_CODE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
_PARAGRAPH_END = re.compile(r"\n\s*\n")
_HEADING = re.compile(
    r"(?P<marks>#{1,6})[ \t]+(?P<marked>\S.*)\n?"  # ## Markdown
    r"|(?P<underlined>\S.*)\n(?P<line>[=*#~^+-])(?P=line){2,}[ \t]*(?:\n|$)"  # or a line under the title
)
_ITEM = re.compile(r"(?:^|\n)[ \t]*(?:[*+\u2022-]|\d+[.)])[ \t]+")
_LINK = re.compile(r"!?\[([^]]*)]\([^)]*\)")
_SENTENCE_END = re.compile(
    r"(?<=[.!?])(?<!e\.g\.)(?<!i\.e\.)(?<!etc\.)[\"')\]\u2019\u201d]*"
    r"\s+(?=[\"'(*\u2018\u201c]*[^\W\d_a-z]|[\"'*\u2018\u201c])"
)
_DIVIDED_WORD = re.compile(r"(?<=[^\W\d_]-)\n[ \t]*(?=[^\W\d_])")
_WORD = re.compile(r"[^\W\d_]{2,}(?:['\u2019-][^\W\d_]+)*")
_CODE = re.compile(r"::|>>>|[{}|<>\[\]=\\@/]|-{3,}|\.{3}")


def sections_of(text: str) -> Iterator[tuple[str, str]]:
    """The sections of a text, each with its title: by its headings, and where these stand far apart, by length."""
    parts = _PARAGRAPH_END.split(_FENCED_CODE.sub("", text).strip())
    paragraphs = [(_HEADING.match(part), part) for part in parts]
    kinds = Counter(heading["marks"] or heading["line"] for heading, _ in paragraphs if heading)
    dividing = next((kind for kind, count in kinds.items() if count >= HEADINGS_THAT_DIVIDE), None)
    longest = min(max(len(text) * SECTION_PART, FEWEST_CHARACTERS), MOST_CHARACTERS)
    title, section = "", ""
    for heading, paragraph in paragraphs:
        is_new = heading is not None and (heading["marks"] or heading["line"]) == dividing
        if section and (is_new or len(section) > longest):
            yield title, section
            section = ""
        if heading and (is_new or not section):
            title = clean(heading["marked"] or heading["underlined"])
        section += f"{paragraph[heading.end() :] if heading else paragraph}\n\n"
    yield title, section


def clean(text: str) -> str:
    """A text in one line, without what a terminal might take for a command."""
    words = _DIVIDED_WORD.sub("", text).split()
    return "".join(character for character in " ".join(words) if character.isprintable())


def sentences_of(text: str) -> list[str]:
    """The sentences of a text that read as prose: headings, tables and code are left out."""
    plain = _LINK.sub(r"\1", _ITEM.sub("\n\n", text))
    paragraphs = map(clean, _PARAGRAPH_END.split(plain))
    found = (sentence for paragraph in paragraphs for sentence in _SENTENCE_END.split(paragraph))
    return [sentence for sentence in dict.fromkeys(found) if _is_prose(sentence)]


def _is_prose(sentence: str) -> bool:
    if sentence[-1:] not in (".", "!", "?") or sentence[0].islower() or _CODE.search(sentence):
        return False
    return FEWEST_WORDS <= len(_WORD.findall(sentence)) <= MOST_WORDS


def best_of(sentences: Sequence[str], count: int) -> list[str]:
    """The sentences that stand for most of the others, in their order."""
    vectors = _vectors_of(sentences)
    middle: dict[str, float] = {}
    for vector in vectors:
        for term, weight in vector.items():
            middle[term] = middle.get(term, 0.0) + weight
    scores = {}
    for place, (sentence, vector) in enumerate(zip(sentences, vectors, strict=True)):
        leaning = 0.5 if _LEANS_ON_ANOTHER.match(sentence) else 1.0
        scores[place] = _likeness(vector, middle) * leaning * (1 + 0.6 / (1 + place))  # texts begin with what matters
    chosen: list[int] = []
    while scores and len(chosen) < count:
        best = max(scores, key=scores.__getitem__)
        del scores[best]
        chosen.append(best)
        for place in scores:
            scores[place] *= 1 - min(1.0, _likeness(vectors[place], vectors[best]))
    return [sentences[place] for place in sorted(chosen)]


def _vectors_of(sentences: Sequence[str]) -> list[dict[str, float]]:
    """The weights of each sentence's terms, scaled to the length 1."""
    frequencies = [Counter(_terms_of(sentence)) for sentence in sentences]
    spread = Counter(term for terms in frequencies for term in terms)
    vectors = []
    for terms in frequencies:
        weights = {term: count * log(1 + len(sentences) / spread[term]) for term, count in terms.items()}
        length = sqrt(sum(weight * weight for weight in weights.values()))
        vectors.append({term: weight / length for term, weight in weights.items()})
    return vectors


def _terms_of(sentence: str) -> Iterator[str]:
    for word in _WORD.findall(sentence.lower()):
        if word not in _STOP_WORDS:
            yield word.removesuffix("s")


def _likeness(one: dict[str, float], other: dict[str, float]) -> float:
    return sum(weight * other[term] for term, weight in one.items() if term in other)
