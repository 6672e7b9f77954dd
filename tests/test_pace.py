"""How many jobs a horse is given ahead."""

from __future__ import annotations

import pytest

from rqdeps.worker.pace import Pace

MS = 1_000_000


def pace_of(*durations_ns: int) -> Pace:
    pace = Pace()
    for duration_ns in durations_ns:
        pace.note(duration_ns)
    return pace


def test_before_anything_is_known_a_horse_has_one_job():
    assert pace_of().depth == 1
    assert pace_of().seconds_for(64) == 0


@pytest.mark.parametrize(
    ("taken_ns", "depth"),
    [(0, 128), (20_000, 128), (40_000, 100), (100_000, 40), (MS, 4), (3 * MS, 2), (5 * MS, 2), (10 * MS, 1)],
)
def test_a_horse_has_four_milliseconds_of_work_or_two_jobs_that_are_not_long_and_128_at_most(taken_ns: int, depth: int):
    assert pace_of(*[taken_ns] * 10).depth == depth


def test_a_job_that_the_machine_held_up_does_not_make_others_look_long():
    assert pace_of(*[30_000] * 50, 50 * MS).depth > 40


def test_jobs_that_take_long_are_soon_known_to():
    assert pace_of(*[30_000] * 50, *[50 * MS] * 20).depth == 1


def test_what_takes_no_time_at_all_can_take_time_later():
    assert pace_of(*[0] * 100, *[50 * MS] * 50).depth == 1


def test_it_tells_how_long_jobs_will_take():
    assert pace_of(MS).seconds_for(3) == pytest.approx(0.003)
