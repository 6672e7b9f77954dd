"""Retries: validated as in RQ, delayed as told, kept as short text, and matched to errors by name."""

from __future__ import annotations

import pickle
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rqdeps.retry import MAX_INTERVAL_MS, DoNotRetry, Retry, Snooze, mro_names


class BusyError(Exception):
    class InnerError(Exception):
        pass


names = st.sampled_from(
    ["app.errors.Busy", "ConnectionError", "app.Outer.Inner", "requests.exceptions.Timeout", "OSError"]
)
name_lists = st.lists(names, max_size=3)
seconds = st.integers(0, 10**7).map(lambda ms: ms / 1_000)
plain_retries = st.builds(
    Retry, st.integers(1, 99), seconds | st.lists(seconds, min_size=1, max_size=4), on=name_lists, never_on=name_lists
)
backoff_retries = st.builds(
    Retry,
    st.integers(1, 99),
    st.floats(0, 60),
    backoff=st.just("exponential"),
    max_interval=st.none() | st.floats(60, 10_000),
    on=name_lists,
    never_on=name_lists,
)


class TestValidation:
    @pytest.mark.parametrize("count", [0, -1])
    def test_max_must_be_positive(self, count):
        with pytest.raises(ValueError, match=r"^max must be 1 or more"):
            Retry(count)

    @pytest.mark.parametrize("count", [True, 1.5, "3", None])
    def test_max_must_be_a_number(self, count):
        with pytest.raises(TypeError, match=r"^max must be a number of retries"):
            Retry(count)

    @pytest.mark.parametrize("interval", [-1, [5, -1], float("nan"), "soon", []])
    def test_intervals_must_be_durations(self, interval):
        with pytest.raises(ValueError, match=r"^interval "):
            Retry(3, interval)

    @pytest.mark.parametrize("interval", [True, None, [None], [True], object()])
    def test_intervals_of_other_types_are_refused(self, interval):
        with pytest.raises(TypeError, match=r"^interval must be "):
            Retry(3, interval)

    def test_backoff_is_exponential_or_nothing(self):
        with pytest.raises(ValueError, match=r"^backoff must be 'exponential' or None, not 'linear'"):
            Retry(3, backoff="linear")

    def test_backoff_takes_a_single_interval(self):
        with pytest.raises(ValueError, match="give a single interval, or no backoff"):
            Retry(3, [1, 2], backoff="exponential")

    def test_max_interval_belongs_to_backoff(self):
        with pytest.raises(ValueError, match="max_interval is the longest delay of backoff"):
            Retry(3, max_interval=60)

    def test_max_interval_is_no_shorter_than_interval(self):
        with pytest.raises(ValueError, match=r"max_interval \(5 s\) is shorter than interval \(1 m 00 s\)"):
            Retry(3, 60, backoff="exponential", max_interval=5)

    @pytest.mark.parametrize("errors", [5, [5], [int], int, [ValueError("an instance")], None])
    def test_errors_are_classes_or_paths(self, errors):
        with pytest.raises(TypeError, match=r"^never_on takes classes of exceptions and their dotted paths, not "):
            Retry(3, never_on=errors)

    @pytest.mark.parametrize("name", ["Busy", "app.errors.", "app errors.Busy", "print", "app:Busy"])
    def test_paths_of_errors_are_dotted_paths_of_classes(self, name):
        with pytest.raises(ValueError, match=r"^on takes the path of a class at the top of a module"):
            Retry(3, on=name)

    def test_errors_that_a_worker_can_not_know_by_name_are_refused(self):
        class LocalError(Exception):
            pass

        with pytest.raises(ValueError, match=r"^on takes the path of a class at the top of a module"):
            Retry(3, on=LocalError)
        LocalError.__module__, LocalError.__qualname__ = "__main__", "LocalError"
        with pytest.raises(ValueError, match=r"^on can't take __main__\.LocalError: a worker knows it under another"):
            Retry(3, on=LocalError)


class TestOf:
    def test_a_number_is_that_many_retries_at_once(self):
        assert Retry.of(3) == Retry(3)

    @pytest.mark.parametrize("value", [0, None])
    def test_nothing_is_no_retry(self, value):
        assert Retry.of(value) is None

    def test_a_retry_is_itself(self):
        retry = Retry(3, 5)
        assert Retry.of(retry) is retry

    @pytest.mark.parametrize("value", [True, False, "3", 1.5, [1]])
    def test_other_types_are_refused(self, value):
        with pytest.raises(TypeError, match=r"^retry must be a number of retries or a Retry"):
            Retry.of(value)

    def test_negative_numbers_are_refused(self):
        with pytest.raises(ValueError, match=r"^max must be 1 or more"):
            Retry.of(-1)


class TestDelay:
    @pytest.mark.parametrize(
        ("interval", "delays"),
        [
            (0, [0, 0, 0]),
            (5, [5_000, 5_000, 5_000]),
            ([1, "10s"], [1_000, 10_000, 10_000]),
            ((timedelta(seconds=1), 2.5, 3, 4), [1_000, 2_500, 3_000]),
            ("5m", [300_000, 300_000, 300_000]),
        ],
    )
    def test_intervals_are_taken_in_turn_and_the_last_repeats(self, interval, delays):
        retry = Retry(3, interval)
        assert [retry.delay_ms(failures, jitter=0.9) for failures in (1, 2, 3)] == delays

    def test_backoff_doubles_up_to_the_longest(self):
        retry = Retry(9, 2, backoff="exponential", max_interval=10)
        delays = [retry.delay_ms(failures, jitter=0.0) for failures in (1, 2, 3, 4, 5, 10**9)]
        assert delays == [1_000, 2_000, 4_000, 5_000, 5_000, 5_000]

    def test_backoff_begins_with_a_second_and_ends_with_an_hour(self):
        retry = Retry(99, backoff="exponential")
        assert (retry.delay_ms(1, jitter=0.0), retry.delay_ms(99, jitter=0.0)) == (500, MAX_INTERVAL_MS // 2)

    def test_an_interval_longer_than_the_default_longest_is_kept(self):
        assert Retry(3, "2h", backoff="exponential").delay_ms(3, jitter=0.0) == 3_600_000

    @given(backoff_retries, st.integers(1, 100), st.floats(0, 1, exclude_max=True))
    def test_jitter_takes_off_half_at_most(self, retry, failures, jitter):
        least = retry.delay_ms(failures, 0.0)
        assert least <= retry.delay_ms(failures, jitter) <= 2 * least + 1
        assert retry.delay_ms(failures, jitter) <= retry.max_interval_ms


class TestErrors:
    def test_all_errors_are_retried_by_default(self):
        assert Retry(3).retries(mro_names(ValueError))

    def test_only_the_errors_of_on_and_their_subclasses_are_retried(self):
        retry = Retry(3, on=(OSError, BusyError))
        assert retry.retries(mro_names(ConnectionResetError))
        assert retry.retries(mro_names(BusyError))
        assert not retry.retries(mro_names(ValueError))

    def test_never_on_wins(self):
        retry = Retry(3, on=OSError, never_on=(ConnectionError,))
        assert retry.retries(mro_names(FileNotFoundError))
        assert not retry.retries(mro_names(ConnectionResetError))
        assert not Retry(3, never_on="KeyError").retries(mro_names(KeyError))

    def test_names_and_classes_mean_the_same(self):
        assert Retry(3, on="ConnectionError") == Retry(3, on=[ConnectionError, "builtins.ConnectionError"])
        assert Retry(3, on="IOError") == Retry(3, on=OSError)
        assert Retry(3, on=f"{BusyError.__module__}.BusyError.InnerError") == Retry(3, on=BusyError.InnerError)

    def test_a_job_that_forbids_retries_is_not_retried(self):
        class GiveUpError(DoNotRetry):
            pass

        assert not Retry(3).retries(mro_names(GiveUpError))
        assert not Retry(3, on=Exception).retries(mro_names(DoNotRetry))

    def test_names_tell_the_class_and_its_bases(self):
        assert mro_names(KeyError) == (
            "builtins.KeyError",
            "builtins.LookupError",
            "builtins.Exception",
            "builtins.BaseException",
            "builtins.object",
        )


class TestText:
    @given(plain_retries | backoff_retries)
    def test_text_comes_back_as_the_same_retry(self, retry):
        back = Retry.decode(retry.max, retry.encode())
        assert back == retry
        assert hash(back) == hash(retry)
        for name in Retry.__slots__:
            assert getattr(back, name) == getattr(retry, name)

    @given(plain_retries | backoff_retries)
    def test_the_repr_is_code_that_makes_the_same_retry(self, retry):
        assert eval(repr(retry), {"Retry": Retry}) == retry

    @pytest.mark.parametrize(
        ("retry", "text"),
        [
            (Retry(3), ""),
            (Retry(3, [0, 0]), ""),
            (Retry(3, 5), "5000"),
            (Retry(3, [0, 1, 2.5]), "0,1000,2500"),
            (Retry(3, backoff="exponential"), "x1000"),
            (Retry(3, 2, backoff="exponential", max_interval=60), "x2000/60000"),
            (Retry(3, on=OSError), "+OSError"),
            (Retry(3, never_on=["app.Busy", KeyError]), "-app.Busy,KeyError"),
            (
                Retry(3, backoff="exponential", on=(ConnectionError, TimeoutError), never_on=BrokenPipeError),
                "x1000+ConnectionError,TimeoutError-BrokenPipeError",
            ),
        ],
    )
    def test_common_retries_are_short(self, retry, text):
        assert retry.encode() == text
        assert len(text) <= 64
        assert Retry.decode(3, text) == retry

    def test_builtin_errors_of_another_python_are_read(self):
        assert Retry.decode(3, "+NewError").on == ("builtins.NewError",)

    @pytest.mark.parametrize("text", ["soon", "1000/5", "5,", "x1,2", "+a b.c", "-5"])
    def test_other_text_is_refused(self, text):
        with pytest.raises(ValueError, match=r"interval|invalid literal|path of a class"):
            Retry.decode(3, text)


class TestEquality:
    def test_retries_are_equal_if_they_do_the_same(self):
        assert Retry(3, 5) == Retry(3, [5])
        assert Retry(3, "1m") == Retry(3, timedelta(minutes=1))
        assert len({Retry(3, 5), Retry(3, 5), Retry(3, 6)}) == 2

    @pytest.mark.parametrize(
        "other", [Retry(4, 5), Retry(3), Retry(3, 5, backoff="exponential"), Retry(3, 5, on=OSError), 3]
    )
    def test_retries_differ_in_anything(self, other):
        assert Retry(3, 5) != other

    def test_the_repr_says_all(self):
        assert repr(Retry(3)) == "Retry(3)"
        assert repr(Retry(3, [1, 2.5], on=OSError)) == "Retry(3, interval=[1.0, 2.5], on=['builtins.OSError'])"
        assert repr(Retry(3, 5, backoff="exponential", never_on="app.Busy")) == (
            "Retry(3, interval=5.0, backoff='exponential', max_interval=3600.0, never_on=['app.Busy'])"
        )


class TestAsking:
    @pytest.mark.parametrize(("delay", "ms"), [(60, 60_000), ("5m", 300_000), (timedelta(hours=1), 3_600_000), (0, 0)])
    def test_snooze_knows_its_delay(self, delay, ms):
        snooze = Snooze(delay)
        assert snooze.delay_ms == ms
        assert pickle.loads(pickle.dumps(snooze)).delay_ms == ms

    def test_snooze_says_when(self):
        assert str(Snooze("5m")) == "run again in 5 m 00 s"

    @pytest.mark.parametrize(
        ("delay", "error"), [(None, TypeError), (True, TypeError), (-1, ValueError), ("x", ValueError)]
    )
    def test_snooze_takes_durations_only(self, delay, error):
        with pytest.raises(error, match=r"^the delay of Snooze "):
            Snooze(delay)

    def test_do_not_retry_keeps_its_message_and_cause(self):
        with pytest.raises(DoNotRetry, match="no such customer") as caught:
            raise DoNotRetry("no such customer") from KeyError(7)
        assert isinstance(caught.value.__cause__, KeyError)
