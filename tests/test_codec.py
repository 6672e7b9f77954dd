"""Which serializer writes and reads, what it may read, and how large values may be."""

from __future__ import annotations

import contextlib
import copy
import pickle

import codecs_of_tests as own
import fakeredis
import pytest
from hypothesis import given
from hypothesis import strategies as st
from models import Color, Point
from test_serializers import told, values

from rqdeps import Job, Queue
from rqdeps.codec import DEFAULT_MAX_PAYLOAD, Codec
from rqdeps.dependency import Output
from rqdeps.errors import JobTimeoutError, SerializationError
from rqdeps.sizes import format_bytes, to_bytes

PICKLE = Codec().changed("pickle")
CUSTOM = Codec().changed(own.backwards)
plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.builds(Output, st.text("ab", min_size=1)),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(), inner, max_size=2),
    max_leaves=4,
)


def as_it_is(output):
    return output


class TestChoosing:
    def test_json_is_the_default(self):
        assert Codec.of_environment().encode_call((1,), {}) == (b"j[[1]]", [])

    @pytest.mark.parametrize(("name", "mark"), [("json", b"j"), ("pickle", b"p"), ("codecs_of_tests:backwards", b"c")])
    def test_the_environment_may_name_another(self, monkeypatch, name, mark):
        monkeypatch.setenv("RQDEPS_SERIALIZER", name)
        assert Codec.of_environment().encode_call((1,), {})[0][:1] == mark
        assert Queue.prepare_data(own.echo, [1]).payload[:1] == mark

    @pytest.mark.parametrize("variable", ["RQDEPS_SERIALIZER", "RQDEPS_MAX_PAYLOAD"])
    def test_an_environment_that_makes_no_sense_is_an_error(self, monkeypatch, variable):
        monkeypatch.setenv(variable, "no sense")
        with pytest.raises(ValueError, match=r"no sense"):
            Queue(url="redis://localhost")

    @pytest.mark.parametrize(
        "name", ["codecs_of_tests:backwards", "codecs_of_tests.Reversed", "codecs_of_tests:Reversed"]
    )
    def test_one_of_your_own_may_be_named_by_its_path(self, name):
        codec = Codec().changed(name)
        codec.load()
        assert codec.decode_call(CUSTOM.encode_call((1,), {"a": 2})[0], as_it_is) == ((1,), {"a": 2})

    @pytest.mark.parametrize("name", ["", "msgpack", "a b.c", "pickle:", "Json"])
    def test_a_name_that_is_none_is_refused_at_once(self, name):
        with pytest.raises(ValueError, match=r"it is 'json', 'pickle', or the dotted path of one of your own"):
            Queue(url="redis://localhost", serializer=name)

    def test_a_path_without_a_serializer_is_an_error(self):
        with pytest.raises(SerializationError, match=r"nowhere.serializer can't be imported"):
            Codec().changed("nowhere:serializer").load()
        with pytest.raises(TypeError, match=r"is no serializer: it has no method dumps"):
            Codec().changed("codecs_of_tests:no_serializer").load()
        with pytest.raises(TypeError, match=r"is no serializer: it has no method dumps"):
            Codec().changed(object())

    def test_json_is_read_by_all(self):
        for codec in (PICKLE, CUSTOM):
            assert codec.decode_call(b"j[[1]]", as_it_is) == ((1,), {})

    @pytest.mark.parametrize("codec", [Codec(), CUSTOM])
    def test_pickles_are_read_only_where_they_were_chosen(self, codec):
        for read in (codec.loads, codec.outputs_in):
            with pytest.raises(SerializationError, match=r"not told to read, .* RQDEPS_SERIALIZER=pickle"):
                read(PICKLE.encode_result(1)[0])

    @pytest.mark.parametrize("codec", [Codec(), PICKLE])
    def test_serializers_of_your_own_are_used_only_where_they_were_chosen(self, codec):
        with pytest.raises(SerializationError, match=r"not told of: name it with .* RQDEPS_SERIALIZER=MODULE:NAME"):
            codec.loads(CUSTOM.encode_result(1)[0])

    def test_a_job_is_answered_as_it_was_asked(self):
        assert PICKLE.like(b"j[]").encode_result(1)[0] == b"j1"
        assert PICKLE.like(b"p").encode_result(1)[0][:1] == b"p"
        assert PICKLE.like(b"j[]").like(b"p") is not PICKLE
        assert Codec().like(b"p").encode_result(1)[0] == b"j1"


class TestPickle:
    @given(st.lists(values, max_size=3).map(tuple), st.dictionaries(st.text(), values, max_size=3))
    def test_any_call_comes_back_as_it_was(self, args, kwargs):
        payload, outputs = PICKLE.encode_call(args, kwargs)
        assert told(PICKLE.decode_call(payload, as_it_is)) == told((args, kwargs))
        assert {output.job_id for output in outputs} == {output.job_id for output in PICKLE.outputs_in(payload)}

    def test_nearly_everything_comes_back(self):
        for value in (own.Handle([1]), Color.RED, Point(1), {1j}, own.echo, range(3)):
            assert PICKLE.loads(PICKLE.encode_result(value)[0]) == value

    def test_outputs_are_found_and_replaced_wherever_they_are(self):
        inner = Output("b")
        payload, outputs = PICKLE.encode_call(
            (own.Handle([Output("a")]), Output("a", 1)), {"x": {Output("c", (inner,))}}
        )
        assert [(each.job_id, each.is_required) for each in outputs] == [("a", True), ("c", False), ("b", True)]
        (handle, whole), kwargs = PICKLE.decode_call(payload, lambda output: output.job_id)
        assert (handle, whole, kwargs) == (own.Handle(["a"]), "a", {"x": {"c"}})

    def test_errors_of_the_callback_pass_as_they_are(self):
        with pytest.raises(KeyError, match=r"gone"):
            PICKLE.decode_call(PICKLE.encode_call((Output("a"),), {})[0], lambda _: {}["gone"])

    def test_what_can_not_be_pickled_is_named_by_its_argument(self):
        with pytest.raises(SerializationError, match=r"^argument 2 can't be pickled \(TypeError: .*lock.*: pass an id"):
            PICKLE.encode_call((1, own.locked()), {})
        with pytest.raises(SerializationError, match=r"^keyword argument 'x' can't be pickled .*lambda"):
            PICKLE.encode_call((1,), {"x": lambda: 1})
        with pytest.raises(SerializationError, match=r"^result can't be pickled"):
            PICKLE.encode_result(own.locked())

    def test_jobs_are_refused_in_favour_of_their_outputs(self):
        data = Queue.prepare_data(own.echo, [1])
        with pytest.raises(SerializationError, match=r"^argument 1 is a job: pass its \.output"):
            PICKLE.encode_call(([data],), {})

    @pytest.mark.parametrize(
        "data",
        [
            b"p",
            b"pickle",
            b"p\x80\x05",
            b"p" + pickle.dumps(own.Shattering()),
            b"pcnowhere\nthing\n.",
            b"p\x80\x05K\x01Q.",
            b"p\x80\x05\x8c\x05wrongQ.",
        ],
    )
    def test_bytes_that_can_not_be_unpickled_are_an_error(self, data):
        with pytest.raises(SerializationError, match=r"these bytes can't be unpickled: "):
            PICKLE.loads(data)

    @given(values, st.data())
    def test_cut_off_bytes_are_an_error(self, value, data):
        whole, _ = PICKLE.encode_result(value)
        with pytest.raises(SerializationError):
            PICKLE.loads(whole[: data.draw(st.integers(0, len(whole) - 1))])

    def test_a_value_that_is_no_call_is_an_error(self):
        with pytest.raises(SerializationError, match=r"not the arguments of a call"):
            PICKLE.decode_call(PICKLE.encode_result([1])[0], as_it_is)


class TestCustom:
    @given(st.lists(plain, max_size=3).map(tuple), st.dictionaries(st.text(), plain, max_size=3))
    def test_calls_come_back_as_they_were_or_are_refused(self, args, kwargs):
        try:
            payload, outputs = CUSTOM.encode_call(args, kwargs)
        except SerializationError as error:
            assert "among other things" in str(error)  # noqa: PT017
            return
        assert told(CUSTOM.decode_call(payload, as_it_is)) == told((args, kwargs))
        assert len(outputs) == len({output.job_id for output in outputs})

    def test_it_is_written_like_this(self):
        assert CUSTOM.encode_call((1,), {"a": 2}) == (b"c\n" + b'[[1], {"a": 2}]'[::-1], [])
        assert CUSTOM.encode_call((1, Output("b")), {"x": Output("c", 5)})[0] == (
            b'c[[1,"b"],["x","c",1]]\n' + b'[[1, null], {"x": 5}]'[::-1]
        )

    def test_outputs_are_whole_arguments(self):
        payload, outputs = CUSTOM.encode_call((1, Output("a")), {"x": Output("b", default=[5])})
        assert outputs == [Output("a"), Output("b", default=[5])]
        seen = []
        call = CUSTOM.decode_call(payload, lambda output: seen.append(output) or output.job_id)
        assert call == ((1, "a"), {"x": "b"})
        assert seen == outputs

    @pytest.mark.parametrize("value", [[Output("a")], {"k": (Output("a"),)}, Output("b", default=[Output("a")])])
    def test_outputs_among_other_things_are_refused(self, value):
        with pytest.raises(
            SerializationError, match=r"argument 2 holds the output of job 'a' among other things, .* of"
        ):
            CUSTOM.encode_call((1, value), {})
        with pytest.raises(SerializationError, match=r"argument 'x' holds the output of job 'a' among other things"):
            CUSTOM.encode_call((1,), {"x": value})

    def test_results_may_be_outputs_and_nothing_else(self):
        assert CUSTOM.encode_result([Output("a")]) == (b'j[{"$":["output","a"]}]', [Output("a")])
        with pytest.raises(SerializationError, match=r"result holds the output of job 'a' among other things"):
            CUSTOM.encode_result([Output("a"), 1])

    def test_jobs_are_refused_in_favour_of_their_outputs(self):
        with pytest.raises(SerializationError, match=r"argument 1 is a job"):
            CUSTOM.encode_call(([Queue.prepare_data(own.echo, [1])],), {})

    def test_a_value_that_contains_itself_is_for_the_serializer_to_refuse(self):
        loop: list[object] = []
        loop.append(loop)
        with pytest.raises(SerializationError, match=r"can't carry the arguments: ValueError: Circular"):
            CUSTOM.encode_call((loop,), {})

    def test_what_it_can_not_carry_or_read_is_an_error_that_names_it(self):
        sick = Codec().changed(own.Sick())
        with pytest.raises(
            SerializationError, match=r"codecs_of_tests.Sick can't carry the arguments: RuntimeError: no"
        ):
            sick.encode_call((1,), {})
        with pytest.raises(SerializationError, match=r"made str of the arguments: its dumps must return bytes"):
            sick.encode_call(("text",), {})
        with pytest.raises(
            SerializationError, match=r"codecs_of_tests.Sick can't read these bytes: RuntimeError: never"
        ):
            sick.loads(b"c\n")

    @given(st.binary() | st.text('[]",\n0123ab{}').map(str.encode))
    def test_garbage_is_read_or_refused_but_never_fails_otherwise(self, data):
        with contextlib.suppress(SerializationError):
            CUSTOM.decode_call(b"c" + data, as_it_is)

    @pytest.mark.parametrize(
        "places", ["[[5,1]]", "[[true,'a']]", '[[-1,"a"]]', '[["x","a"]]', '[[3,"a"]]', "{", "[1]"]
    )
    def test_places_that_are_none_are_an_error(self, places):
        with pytest.raises(SerializationError, match=r"these bytes were damaged"):
            CUSTOM.decode_call(b"c" + places.encode() + b"\n" + b"[[1],{}]"[::-1], as_it_is)


class TestTimeouts:
    @pytest.mark.parametrize("codec", [PICKLE, CUSTOM])
    def test_a_job_that_runs_out_of_time_meanwhile_is_told_so(self, monkeypatch, codec):
        class Late:
            def __reduce__(self):
                raise JobTimeoutError("over")

        monkeypatch.setattr(own.Reversed, "dumps", lambda self, value: pickle.dumps(value))
        with pytest.raises(JobTimeoutError):
            codec.encode_result(Late())


class TestOutputs:
    def test_an_output_is_carried_by_nothing_that_would_not_replace_it(self):
        with pytest.raises(TypeError, match=r"the output of job 'a' can't be pickled by itself"):
            pickle.dumps(Output("a"))
        output = Output("a", default=[1])
        assert copy.copy(output) == output == copy.deepcopy(output)


class TestLimits:
    def test_the_default_is_16_mib(self):
        assert Codec.of_environment().max_payload == DEFAULT_MAX_PAYLOAD == 16 * 2**20

    @pytest.mark.parametrize("codec", [Codec(), PICKLE, CUSTOM])
    def test_what_is_larger_is_refused_with_the_size_and_the_way_out(self, codec):
        codec = codec.changed(max_payload="1M")
        codec.encode_call(("x" * 1_048_000,), {})
        with pytest.raises(
            SerializationError,
            match=r"^the arguments are 2 MiB large \(2,097,\d\d\d bytes\), and 1 MiB at most are allowed: keep it "
            r"elsewhere, and pass where; or allow more with RQDEPS_MAX_PAYLOAD$",
        ):
            codec.encode_call(("x" * 2**21,), {})
        with pytest.raises(SerializationError, match=r"^the result is 2 MiB large .* and return where"):
            codec.encode_result("x" * 2**21)
        with pytest.raises(SerializationError, match=r"^the output is 2 MiB large"):
            codec.encode_output("x" * 2**21)

    def test_the_environment_sets_it(self, monkeypatch):
        client = fakeredis.FakeRedis(server=fakeredis.FakeServer())
        monkeypatch.setenv("RQDEPS_MAX_PAYLOAD", "1K")
        queue = Queue(connection=client)
        for enqueue in (queue.enqueue, Queue.prepare_data, lambda f, args: Job.create(f, args, connection=client)):
            with pytest.raises(SerializationError, match=r"^the arguments are 2,0\d\d bytes large"):
                enqueue(own.echo, args=["x" * 2_000])
        assert queue.count == 0

    @pytest.mark.parametrize(
        ("value", "size"), [(1, 1), ("1000", 1000), ("2k", 2048), ("32M", 2**25), (" 1 G ", 2**30), ("007", 7)]
    )
    def test_sizes_are_read(self, value, size):
        assert to_bytes(value, "max_payload", most=2**30) == size

    @pytest.mark.parametrize("value", ["", "M", "1.5M", "-1", "1MB", "1 000", "1e6", "٣", 0, -1, "0", "2G", 2**30 + 1])
    def test_sizes_that_are_none_are_refused(self, value):
        with pytest.raises(ValueError, match=r"max_payload is "):
            to_bytes(value, "max_payload", most=2**30)

    @pytest.mark.parametrize("value", [1.5, True, b"1", None])
    def test_what_is_no_size_at_all_is_refused(self, value):
        with pytest.raises(TypeError, match=r"max_payload is a number of bytes"):
            to_bytes(value, "max_payload", most=2**30)

    @pytest.mark.parametrize(
        ("size", "text"), [(0, "0 bytes"), (99_999, "99,999 bytes"), (100_000, "0.1 MiB"), (2**24, "16 MiB")]
    )
    def test_sizes_are_said(self, size, text):
        assert format_bytes(size) == text
