import os
import re
from difflib import SequenceMatcher
from pathlib import Path
from tempfile import NamedTemporaryFile
from textwrap import shorten

AT_WORK = Path("at_work")
HEADING = re.compile(r"^(.+)\n={4,}$", re.MULTILINE)  # a line, and below it a line of =====


def split(path):
    _, *parts = HEADING.split(Path(path).read_text(encoding="utf-8"))
    return [{"title": title, "text": text} for title, text in zip(parts[::2], parts[1::2], strict=True)]


def summarise(section):
    AT_WORK.mkdir(exist_ok=True)
    with NamedTemporaryFile(dir=AT_WORK):  # a file for each job at work, so that they can be counted
        at_once = len(os.listdir(AT_WORK))
        summary = most_typical_sentence(section["text"])
    return {"title": section["title"], "summary": summary, "at_once": at_once}


def most_typical_sentence(text):
    """Returns the sentence that is most like all others. Stands for something expensive: a model, a paid service."""
    sentences = [sentence.split() for sentence in re.split(r"(?<=\.)\s+(?=[A-Z])", text)]

    def likeness_to_all(sentence):
        return sum(SequenceMatcher(None, sentence, other).ratio() for other in sentences)

    return " ".join(max(sentences, key=likeness_to_all))


def combine(summaries):
    return {
        "text": "\n".join(shorten(f"{each['title']}: {each['summary']}", 100, placeholder="…") for each in summaries),
        "sections": len(summaries),
        "most_at_once": max((each["at_once"] for each in summaries), default=0),
    }
