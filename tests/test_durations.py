"""Durations are read exactly or refused in words, and said as people say them."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rqdeps.durations import FOREVER, LONGEST_MS, format_ms, to_ms


class TestToMs:
    @pytest.mark.parametrize(
        ("value", "ms"),
        [
            (None, None),
            (0, 0),
            (0.0, 0),
            (90, 90_000),
            (1.5, 1_500),
            (0.0001, 1),
            (1e-300, 1),
            (timedelta(microseconds=1), 1),
            (timedelta(minutes=3, milliseconds=7), 180_007),
            (timedelta(0), 0),
            ("0", 0),
            ("120", 120_000),
            ("1.5", 1_500),
            ("5s", 5_000),
            ("3m", 180_000),
            ("1h", 3_600_000),
            ("1d", 86_400_000),
            ("2w", 1_209_600_000),
            ("250ms", 250),
            ("1h30m", 5_400_000),
            ("1H 30M", 5_400_000),
            (" 1 d 2 h ", 93_600_000),
            ("1.5h", 5_400_000),
            ("0.1ms", 1),
            (LONGEST_MS // 1_000, LONGEST_MS),
        ],
    )
    def test_durations_are_read(self, value, ms):
        assert to_ms(value, "ttl") == ms

    @given(st.integers(0, LONGEST_MS))
    def test_milliseconds_are_exact_in_every_form(self, ms):
        assert to_ms(ms / 1_000, "ttl") == ms
        assert to_ms(timedelta(milliseconds=ms), "ttl") == ms
        assert to_ms(f"{ms}ms", "ttl") == ms

    @pytest.mark.parametrize("value", [-1, -1.0, "-1"])
    def test_minus_one_is_no_limit_where_that_is_allowed(self, value):
        assert to_ms(value, "ttl", forever=True) == FOREVER
        with pytest.raises(ValueError, match=r"^ttl can't be '?-1(\.0)?'?: .* not negative$"):
            to_ms(value, "ttl")

    @pytest.mark.parametrize(
        "value", [-2, -0.5, "-5", timedelta(seconds=-1), float("nan"), float("-inf"), -(10**400), timedelta.min]
    )
    @pytest.mark.parametrize("forever", [False, True])
    def test_negative_durations_are_refused(self, value, forever):
        with pytest.raises(ValueError, match=r"^job_timeout can't be .*seconds as a number, .*not negative$") as caught:
            to_ms(value, "job_timeout", forever=forever)
        assert ("-1 for no limit" in str(caught.value)) is forever

    @pytest.mark.parametrize("value", [float("inf"), 10**400, LONGEST_MS, "101000d", "9" * 400, timedelta.max])
    def test_durations_of_more_than_a_century_are_refused(self, value):
        with pytest.raises(
            ValueError, match=r"^ttl can't be .*: the longest duration is 100 years, and numbers are in s"
        ):
            to_ms(value, "ttl")

    @pytest.mark.parametrize(
        "value", ["", " ", "soon", "5x", "h", "1h-30m", "1,5h", "5 s now", "\uff11h", "1e3", "nan", "--1"]
    )
    def test_other_strings_are_refused(self, value):
        with pytest.raises(
            ValueError, match=r"^result_ttl must be seconds as a number, a string such as '90s', .*, not '"
        ):
            to_ms(value, "result_ttl")

    @pytest.mark.parametrize("value", [True, False, [1], {}, b"1h", object(), Decimal(1), 1j])
    def test_other_types_are_refused(self, value):
        with pytest.raises(TypeError, match=r"^result_ttl must be seconds as a number, .* or a timedelta, not "):
            to_ms(value, "result_ttl")


class TestFormatMs:
    @pytest.mark.parametrize(
        ("ms", "text"),
        [
            (0, "0 ms"),
            (0.35, "0.3 ms"),
            (2.54, "2.5 ms"),
            (9.96, "10 ms"),
            (35, "35 ms"),
            (999.4, "999 ms"),
            (999.6, "1 s"),
            (1_234, "1.2 s"),
            (35_000, "35 s"),
            (59_949, "59.9 s"),
            (59_950, "1 m 00 s"),
            (185_000, "3 m 05 s"),
            (3_599_499, "59 m 59 s"),
            (3_599_500, "1 h 00 m"),
            (7_800_000, "2 h 10 m"),
            (86_369_999, "23 h 59 m"),
            (86_370_000, "1 d 00 h"),
            (349_200_000, "4 d 01 h"),
            (LONGEST_MS, "36500 d 00 h"),
            (-1_500, "-1.5 s"),
        ],
    )
    def test_durations_are_said_with_one_unit_or_two(self, ms, text):
        assert format_ms(ms) == text

    @given(st.floats(0, LONGEST_MS))
    def test_what_is_said_is_near_what_it_was(self, ms):
        text = format_ms(ms)
        assert to_ms(text, "text") == pytest.approx(ms, rel=0.05, abs=1)
        assert not text.endswith((" 60 s", " 60 m", " 24 h"))
