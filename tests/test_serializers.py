"""Values come back as what they were, types included; what can't is refused by its exact place."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import sys
import uuid
from collections import Counter, OrderedDict, defaultdict, namedtuple
from datetime import date, datetime, time, timedelta, timezone, tzinfo
from decimal import Decimal
from enum import Enum
from pathlib import Path, PosixPath, PurePosixPath, PureWindowsPath
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rqdeps import Unbuilt
from rqdeps.codec import Codec
from rqdeps.dependency import Output
from rqdeps.errors import SerializationError
from rqdeps.serializers import dumps, encode_call, loads
from rqdeps.tags import MAX_DEPTH

decode_call = Codec().decode_call

ZONES = [ZoneInfo(key) for key in ("Europe/Berlin", "America/New_York", "UTC") if key in available_timezones()]

offsets = st.timedeltas(min_value=timedelta(hours=-23), max_value=timedelta(hours=23))
time_zones = st.one_of(
    st.none(),
    st.just(timezone.utc),
    st.builds(timezone, offsets),
    st.builds(timezone, offsets, st.sampled_from(["CET", "", "é"])),
    *([st.sampled_from(ZONES)] if ZONES else []),
)
folds = st.integers(0, 1)
SPLINTERS = [
    b'{"$":[',
    b'"output"',
    b'"dict",',
    b'"dataclass"',
    b"[",
    b"]}",
    b'"',
    b",",
    b"1e999",
    b"null",
    b"\xff",
    b"",
]
texts = st.text() | st.text(st.sampled_from('a$"\\\0é😀\ud800\udfff'), max_size=6) | st.just("$")
hashable_leaves = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(1, 30_000).map(lambda bits: -(1 << bits)),
    st.floats(),
    texts,
    st.binary(),
    st.builds(lambda value, fold: value.replace(fold=fold), st.datetimes(timezones=time_zones), folds),
    st.builds(lambda value, zone, fold: value.replace(tzinfo=zone, fold=fold), st.times(), time_zones, folds),
    st.dates(),
    st.timedeltas(),
    st.decimals().filter(lambda value: not value.is_snan()),
    st.uuids(),
    texts.map(PosixPath),
    texts.map(PurePosixPath),
    texts.map(PureWindowsPath).filter(lambda path: str(PureWindowsPath(str(path))) == str(path)),
    st.builds(Output, st.text("abc", min_size=1)),
)
hashables = st.recursive(
    hashable_leaves,
    lambda inner: st.lists(inner, max_size=3).map(tuple) | st.frozensets(inner, max_size=3),
    max_leaves=5,
)
values = st.recursive(
    hashable_leaves | st.binary().map(bytearray) | st.just(Decimal("sNaN12")),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.lists(inner, max_size=4).map(tuple),
        st.sets(hashables, max_size=4),
        st.frozensets(hashables, max_size=4),
        st.dictionaries(texts, inner, max_size=4),
        st.dictionaries(hashables, inner, max_size=4),
        st.builds(Output, st.text("abc", min_size=1), inner),
    ),
    max_leaves=12,
)


def told(value):
    """A value in words that differ wherever its type or anything in it differs, which ``==`` does not see to."""
    kind = type(value).__name__
    if isinstance(value, (list, tuple)):
        return f"{kind}({', '.join(map(told, value))})"
    if isinstance(value, (set, frozenset)):
        return f"{kind}({', '.join(sorted(map(told, value)))})"
    if isinstance(value, dict):
        return f"{kind}({', '.join(f'{told(key)}: {told(item)}' for key, item in value.items())})"
    if isinstance(value, Enum):
        return f"{kind}.{value.name} {value.value!r}"
    if isinstance(value, Output):
        return f"{kind}({value.job_id}, {told(value.default)})"
    if isinstance(value, Unbuilt):
        return f"{kind}({value.class_path}, {told(value.fields)}, {value.is_member})"
    if dataclasses.is_dataclass(value):
        return f"{kind}({told({field.name: getattr(value, field.name) for field in dataclasses.fields(value)})})"
    return f"{kind} {hex(value) if type(value) is int else repr(value)}"


def refusal(value, **where):
    with pytest.raises(SerializationError) as caught:
        dumps(value, **where)
    return str(caught.value)


class TestRoundTrip:
    @given(values)
    def test_any_value_comes_back_as_it_was_types_included(self, value):
        data = dumps(value)
        assert told(loads(data)) == told(value)
        json.loads(data[1:].decode(), parse_constant=pytest.fail)  # strict JSON in strict UTF-8

    @given(st.lists(values, max_size=3).map(tuple), st.dictionaries(texts, values, max_size=3))
    def test_any_call_comes_back_as_it_was(self, args, kwargs):
        payload, _ = encode_call(args, kwargs)
        assert told(decode_call(payload, lambda output: output)) == told((args, kwargs))

    @given(
        st.recursive(
            st.none() | st.text("$a"),
            lambda inner: st.dictionaries(st.sampled_from(["$", "$$", "a"]), inner),
            max_leaves=8,
        )
    )
    def test_dicts_that_look_like_tags_stay_dicts(self, value):
        assert loads(dumps(value)) == value

    @pytest.mark.parametrize(
        "value",
        [
            {"$": ["set", 1, 2]},
            {"$": {"$": ["output", "abc"]}},
            {"$": ["output", "abc"], "other": 1},
            [{"$": []}],
            {("$",): {"$": None}},
            '{"$":["set"]}',
        ],
    )
    def test_data_that_spell_a_tag_stay_data(self, value):
        assert told(loads(dumps(value))) == told(value)

    def test_path_comes_back_as_path(self):
        assert told(loads(dumps(Path("a/b.csv")))) == told(Path("a/b.csv"))

    def test_file_names_that_are_not_unicode_survive(self):
        name = b"caf\xe9.csv".decode(errors="surrogateescape")
        assert loads(dumps([name, Path(name), {name: 1}])) == [name, Path(name), {name: 1}]

    def test_separate_surrogates_are_not_joined(self):
        assert loads(dumps("\ud83d" + "\ude00")) == "\ud83d\ude00"

    def test_integers_of_any_length_survive(self):
        huge = 7**20_000
        assert loads(dumps({"n": [huge, -huge]})) == {"n": [huge, -huge]}

    @pytest.mark.skipif(not ZONES, reason="this system has no time zones")
    def test_zone_and_fold_survive(self):
        value = datetime(2024, 10, 27, 2, 30, 0, 123_456, tzinfo=ZONES[0], fold=1)
        back = loads(dumps(value))
        assert (back.tzinfo.key, back.fold, back.utcoffset()) == (ZONES[0].key, 1, value.utcoffset())

    def test_name_of_a_fixed_offset_survives(self):
        value = datetime(2024, 1, 1, tzinfo=timezone(timedelta(hours=1), "CET"))
        assert loads(dumps(value)).tzname() == "CET"

    @pytest.mark.parametrize("depth", [1, MAX_DEPTH])
    def test_containers_may_stand_inside_each_other_up_to_the_limit(self, depth):
        lists: object = 1
        tuples: object = 1
        for _ in range(depth):
            lists, tuples = [lists], {1: tuples}
        assert loads(dumps(lists)) == lists
        assert loads(dumps(tuples)) == tuples

    def test_a_value_may_occur_several_times(self):
        row = [(1, 2)]
        assert loads(dumps([row, row, {"again": row}])) == [row, row, {"again": row}]


class TestFormat:
    """What is written must be read by later versions; a change here needs a new version byte."""

    @pytest.mark.parametrize(
        ("value", "data"),
        [
            (None, b"jnull"),
            ({"a": [1, 2.5, True, "é"]}, 'j{"a":[1,2.5,true,"é"]}'.encode()),
            ((1, 2), b'j{"$":["tuple",1,2]}'),
            ({3}, b'j{"$":["set",3]}'),
            (frozenset(), b'j{"$":["frozenset"]}'),
            ({1: "one", "two": 2}, b'j{"$":["dict",1,"one","two",2]}'),
            ({"$": 1}, b'j{"$":["dict","$",1]}'),
            (b"ab", b'j{"$":["bytes","YWI="]}'),
            (bytearray(b"ab"), b'j{"$":["bytearray","YWI="]}'),
            (float("-inf"), b'j{"$":["float","-inf"]}'),
            ("\ud800", b'j{"$":["str","7aCA"]}'),
            (Decimal("1.50"), b'j{"$":["Decimal","1.50"]}'),
            (uuid.UUID(int=1), b'j{"$":["UUID","00000000-0000-0000-0000-000000000001"]}'),
            (date(2024, 5, 1), b'j{"$":["date","2024-05-01"]}'),
            (time(12, 30, fold=1), b'j{"$":["time","12:30:00",null,1]}'),
            (datetime(2024, 5, 1, tzinfo=timezone.utc), b'j{"$":["datetime","2024-05-01T00:00:00+00:00"]}'),
            (
                datetime(2024, 5, 1, tzinfo=timezone(timedelta(hours=1), "CET")),
                b'j{"$":["datetime","2024-05-01T00:00:00",3600000000,0,"CET"]}',
            ),
            (time(1, tzinfo=timezone(timedelta(microseconds=-1))), b'j{"$":["time","01:00:00",-1]}'),
            (timedelta(-1, 2, 3), b'j{"$":["timedelta",-1,2,3]}'),
            (PosixPath("a/b"), b'j{"$":["PosixPath","a/b"]}'),
            (Output("abc"), b'j{"$":["output","abc"]}'),
            (Output("abc", default=(1,)), b'j{"$":["output","abc",{"$":["tuple",1]}]}'),
        ],
    )
    def test_values_are_written_like_this(self, value, data):
        assert dumps(value) == data
        assert told(loads(data)) == told(value)

    def test_integers_of_more_digits_than_python_reads_are_written_in_hexadecimal(self):
        assert dumps(1 << 20_000) == b'j{"$":["int","0x1%s"]}' % (b"0" * 5_000)

    @pytest.mark.skipif(not ZONES, reason="this system has no time zones")
    def test_zones_are_written_by_their_key(self):
        value = datetime(2024, 5, 1, tzinfo=ZoneInfo("Europe/Berlin"))
        assert dumps(value) == b'j{"$":["datetime","2024-05-01T00:00:00","Europe/Berlin"]}'

    @pytest.mark.parametrize(
        ("args", "kwargs", "payload"),
        [
            ((), {}, b"j[]"),
            ((1, "a"), {}, b'j[[1,"a"]]'),
            ((), {"order": 1}, b'j[[],{"order":1}]'),
            ((1,), {"$": 1}, b'j[[1],{"$":["dict","$",1]}]'),
            (((1,),), {"order": {2}}, b'j[[{"$":["tuple",1]}],{"order":{"$":["set",2]}}]'),
        ],
    )
    def test_calls_are_written_as_short_as_can_be(self, args, kwargs, payload):
        assert encode_call(args, kwargs) == (payload, [])
        assert told(decode_call(payload, pytest.fail)) == told((args, kwargs))


class TestOutputs:
    def test_each_job_is_told_once_in_order(self):
        _, outputs = encode_call(([Output("b")], {"x": Output("a")}), {"again": Output("b")})
        assert outputs == [Output("b"), Output("a")]

    def test_a_required_output_wins_over_one_with_a_default(self):
        first = encode_call((Output("a", default=1), Output("a")), {})[1]
        last = encode_call((Output("a"), Output("a", default=1)), {})[1]
        assert first == last == [Output("a")]

    def test_the_first_default_is_told_where_all_have_one(self):
        assert encode_call((Output("a", default=1), Output("a", default=2)), {})[1] == [Output("a", default=1)]

    def test_outputs_inside_defaults_keys_and_sets_are_found(self):
        _, outputs = encode_call((Output("a", default=[Output("b")]), {Output("c"): 1}, {Output("d")}), {})
        assert [output.job_id for output in outputs] == ["a", "b", "c", "d"]

    def test_outputs_are_replaced_when_the_call_is_read(self):
        results = {"a": [1], "b": "two"}
        payload, _ = encode_call(([Output("a")], Output("a", default=0)), {"x": {"y": (Output("b"),)}})
        assert decode_call(payload, lambda output: results[output.job_id]) == (([[1]], [1]), {"x": {"y": ("two",)}})

    def test_the_default_reaches_the_callback(self):
        payload, _ = encode_call((Output("a", default={1: (2,)}),), {})
        assert decode_call(payload, lambda output: output.default) == (({1: (2,)},), {})

    def test_a_value_that_looks_like_a_tag_stays_what_it_is(self):
        payload, _ = encode_call((Output("a"),), {})
        assert decode_call(payload, lambda _: {"$": ["set"]}) == (({"$": ["set"]},), {})

    @pytest.mark.parametrize("error", [KeyError("a"), ValueError("no"), RecursionError(), SerializationError("no")])
    def test_errors_of_the_callback_pass_as_they_are(self, error):
        def fail(_):
            raise error

        with pytest.raises(type(error)) as caught:
            decode_call(encode_call((Output("a"),), {})[0], fail)
        assert caught.value is error

    def test_an_output_that_can_not_stand_in_a_set_is_an_error_in_words(self):
        payload, _ = encode_call(({Output("a")},), {})
        with pytest.raises(SerializationError, match="hold a set that can't be made: unhashable type: 'list'"):
            decode_call(payload, lambda _: [])


class Order:
    pass


class Text(str):
    __slots__ = ()


class Moment(datetime):
    pass


class Job:
    __rqdeps_job__ = True
    id = "abc"
    output = Output("abc")


class Scalar:
    """Like a scalar of numpy."""

    ndim = 0

    def item(self):
        return 1

    def tolist(self):
        return 1


class FloatScalar(float):
    def item(self):
        return float(self)


class Array:
    ndim = 1

    def item(self):
        raise AssertionError

    def tolist(self):
        return [1]


class Frame:
    def to_dict(self):
        return {}


class Zone(tzinfo):
    def utcoffset(self, _):
        return timedelta(0)


Pair = namedtuple("Pair", "left right")


async def coroutine():
    pass


async def produce():
    yield 1


def generate():
    yield 1


class TestRefusals:
    @pytest.mark.parametrize(
        ("value", "type_name", "way_out"),
        [
            (object(), "object", "pass its id or a plain dict"),
            (Pair(1, 2), "Pair", "._asdict(), or tuple(...)"),
            (Text("a"), "Text", "convert it to a plain str"),
            (Moment(2024, 1, 1), "Moment", "convert it to a plain datetime"),
            (OrderedDict(a=1), "collections.OrderedDict", "convert it to a plain dict"),
            (defaultdict(list), "collections.defaultdict", "convert it to a plain dict"),
            (Counter("a"), "collections.Counter", "convert it to a plain dict"),
            (Scalar(), "Scalar", "pass its .item()"),
            (FloatScalar(1), "FloatScalar", "pass its .item()"),
            (Array(), "Array", "pass its .tolist()"),
            (Frame(), "Frame", "pass its .to_dict()"),
            (generate(), "generator", "pass list(...)"),
            (map(str, []), "map", "pass list(...)"),
            (range(3), "range", "pass list(...)"),
            ({}.keys(), "dict_keys", "pass list(...)"),
            (produce(), "async_generator", "gather what it gives in a list"),
            (len, "builtin_function_or_method", "pass its dotted path as a str"),
            (Order, "type", "pass its dotted path as a str"),
            (sys, "module", "pass its id or a plain dict"),
            (ValueError("a"), "ValueError", "pass str(...)"),
            (1j, "complex", ".real and .imag"),
            (memoryview(b"a"), "memoryview", "pass its .tolist()"),
            (Ellipsis, "ellipsis", "pass its id or a plain dict"),
        ],
        ids=lambda value: value if isinstance(value, str) else "",
    )
    def test_other_types_are_refused_with_the_way_out(self, value, type_name, way_out):
        message = refusal(["first", {"rows": (value,)}], where="argument 2")
        assert message.startswith('argument 2[1]["rows"][0] is of the type ')
        assert f"{type_name}, which can't be carried: " in message
        assert way_out in message

    def test_awaitables_are_to_be_awaited_first(self):
        waiting = coroutine()
        assert "await it first" in refusal(waiting)
        waiting.close()

    def test_open_files_are_passed_by_name(self, tmp_path):
        with (tmp_path / "file").open("w") as file:
            assert "pass the name of the file" in refusal(file)

    def test_a_job_is_refused_in_favour_of_its_output(self):
        message = refusal({"parent": Job()}, where="argument 1")
        assert message.startswith('argument 1["parent"] is a job: pass its .output for its return value')

    def test_arguments_are_named_by_position_or_by_name(self):
        with pytest.raises(SerializationError, match=r"^argument 2\[0\] is of the type .*Order, "):
            encode_call((1, [Order()]), {})
        with pytest.raises(SerializationError, match=r"^keyword argument 'order'\[\"a\"\] is of the type "):
            encode_call((1,), {"order": {"a": object()}})

    def test_names_of_keywords_must_be_plain_too(self):
        with pytest.raises(SerializationError, match=r"^the name 'a' of a keyword argument is of the type .*Text"):
            encode_call((), {Text("a"): 1})

    @pytest.mark.parametrize(
        ("value", "place"),
        [
            ({"a b": {7: object()}}, 'value["a b"][7]'),
            ({"é\n": object()}, r'value["\u00e9\n"]'),
            ({(1, "x"): object()}, "value[(1, 'x')]"),
            ({"k" * 90: object()}, 'value["' + "k" * 59 + "…]"),
            ([{1, object()}], "an element of value[0]"),
            ([frozenset({(1, object())})], "an element of value[0]"),
            ([{"a": {object(): 1}}], 'a key of value[0]["a"]'),
            ({(1, object()): 1}, "a key of value"),
            ([Output("a", default=[object()])], "the default of the output in value[0]"),
        ],
    )
    def test_the_place_is_named_exactly(self, value, place):
        assert refusal(value).startswith(f"{place} is of the type ")

    def test_time_zones_of_other_makers_are_refused(self):
        message = refusal([datetime(2024, 1, 1, tzinfo=Zone())])
        assert message.startswith("value[0] has a time zone of the type ")
        assert "zoneinfo.ZoneInfo" in message
        assert "has a time zone" in refusal(time(1, tzinfo=Zone()))

    @pytest.mark.skipif(not ZONES, reason="this system has no time zones")
    def test_zones_without_a_key_are_refused(self):
        class Keyless(ZoneInfo):
            pass

        assert "has a time zone" in refusal(datetime(2024, 1, 1, tzinfo=Keyless.no_cache("UTC")))

    def test_a_broken_path_of_windows_comes_back_or_is_refused(self):
        path = PureWindowsPath("//0//")  # which of the two depends on the version of Python
        try:
            data = dumps(path)
        except SerializationError as error:
            assert "which is no well-formed path: pass it as a str" in str(error)  # noqa: PT017 - which of both it is depends on the Python
        else:
            assert told(loads(data)) == told(path)

    def test_values_that_contain_themselves_are_refused(self):
        parent: dict[str, object] = {"children": []}
        parent["children"] = [{"parent": parent}]
        assert refusal(parent) == (
            'value["children"][0]["parent"] is the same dict that it stands in: a value can\'t contain itself'
        )
        loop: list[object] = []
        loop.append(loop)
        with pytest.raises(SerializationError, match=r"argument 1\[0\] is the same list"):
            encode_call((loop,), {})

    @pytest.mark.parametrize("depth", [MAX_DEPTH + 1, 5_000])
    @pytest.mark.parametrize("wrap", [lambda inner: [inner], lambda inner: (inner,), lambda inner: {1: inner}])
    def test_deep_nesting_is_refused(self, depth, wrap):
        value: object = 1
        for _ in range(depth):
            value = wrap(value)
        assert refusal(value, where="argument 3").startswith("argument 3 is nested too deeply: at most 100 containers")
        while isinstance(value, (list, tuple, dict)) and value:  # spares the interpreter a deep deallocation
            value = next(iter(value.values())) if isinstance(value, dict) else value[0]

    def test_a_program_deep_in_a_recursion_gets_an_error_in_words_too(self):
        value: object = 1
        for _ in range(MAX_DEPTH):
            value = [value]

        def recurse():
            try:
                recurse()
            except RecursionError:
                dumps(value)

        with pytest.raises(SerializationError, match="fewer if the program itself is deep in a recursion"):
            recurse()


class TestReading:
    def test_no_bytes_are_an_error(self):
        with pytest.raises(SerializationError, match="there are no bytes to read"):
            loads(b"")

    @pytest.mark.parametrize("data", [b"z[]", b"\x80\x05K\x01.", b"[]", b"\x00"])
    def test_an_unknown_first_byte_is_an_error_that_says_so(self, data):
        with pytest.raises(SerializationError, match="which this version of rqdeps can't read: a newer version"):
            loads(data)

    @pytest.mark.parametrize("data", [b"j", b"j[1,", b"j{", b'j"\xff"', b"jNaN", b"j[Infinity]", b"j" + b"9" * 9_999])
    def test_damaged_bytes_are_an_error(self, data):
        with pytest.raises(SerializationError, match="these bytes were cut off or damaged"):
            loads(data)

    def test_bytes_after_the_value_are_an_error(self):
        with pytest.raises(SerializationError, match="something follows the value, at character 3"):
            loads(b"j[]]")

    def test_nesting_beyond_reading_is_an_error(self):
        with pytest.raises(SerializationError, match="cut off or damaged"):
            loads(b"j" + b"[" * 200_000)

    @pytest.mark.parametrize("tag", ["1", "{}", "[]", "[1]", '"set"', "null", '["set"],"other":1'])
    def test_malformed_tags_are_an_error(self, tag):
        with pytest.raises(SerializationError, match="which is no tag"):
            loads(b'j{"$":%s}' % tag.encode())

    def test_an_unknown_type_is_an_error_that_says_so(self):
        with pytest.raises(SerializationError, match="a value of the type 'Color': a newer version wrote them"):
            loads(b'j{"$":["Color",1]}')

    @pytest.mark.parametrize(
        "tag",
        [
            '["datetime","yesterday"]',
            '["datetime","2024-01-01","No/Zone"]',
            '["datetime","2024-01-01","Europe"]',
            '["datetime"]',
            '["Decimal","x"]',
            '["UUID",5]',
            '["UUID","x"]',
            '["bytes","?"]',
            '["int","0y"]',
            '["timedelta",1e300]',
            '["dict",1]',
            '["dict",[],1]',
            '["set",[]]',
            '["WindowsPath","a"]',
            '["output"]',
            '["output","a",1,2]',
        ],
    )
    def test_parts_that_do_not_fit_the_type_are_an_error(self, tag):
        with pytest.raises(SerializationError, match="that can't be made: "):
            loads(b'j{"$":%s}' % tag.encode())

    @given(values, st.data())
    def test_cut_off_bytes_are_an_error(self, value, data):
        whole = dumps([value])
        with pytest.raises(SerializationError):
            loads(whole[: data.draw(st.integers(0, len(whole) - 1))])

    @given(st.binary() | st.text('[]{}"$:,0123 abceistu').map(str.encode))
    def test_garbage_is_read_or_refused_but_never_fails_otherwise(self, data):
        with contextlib.suppress(SerializationError):
            loads(b"j" + data)

    @given(values, st.data())
    def test_altered_bytes_are_read_or_refused_but_never_fail_otherwise(self, value, data):
        whole = bytearray(dumps([value]))
        for _ in range(data.draw(st.integers(1, 4))):
            place = data.draw(st.integers(1, len(whole) - 1))
            whole[place : place + data.draw(st.integers(0, 3))] = data.draw(
                st.sampled_from(SPLINTERS) | st.binary(max_size=3)
            )
        with contextlib.suppress(SerializationError):
            loads(bytes(whole))
        with contextlib.suppress(SerializationError):
            decode_call(bytes(whole), lambda output: output.job_id)

    @pytest.mark.parametrize(
        "data",
        [
            b'j{"$":["dict",' * 400 + b"1",
            b'j[{"$":["tuple",' * 3_000 + b"1",
            b'j{"a":' * 100_000,
            b'j{"$":["Decimal","1e' + b"9" * 400 + b'"]}',
            b'j{"$":["timedelta",' + b"9" * 400 + b"]}",
            b'j{"$":["output",[]]}',
            b'j{"$":["output",{"$":["set"]}]}',
            b'j{"$":["datetime","2024-01-01","../../etc/passwd"]}',
            b"j" + bytes(range(256)),
        ],
        ids=lambda data: data[:20].decode(errors="replace"),
    )
    def test_bytes_made_to_harm_are_refused(self, data):
        with pytest.raises(SerializationError):
            loads(data)

    @pytest.mark.parametrize("data", [b"j1", b"j{}", b"j[1]", b"j[[],1]", b'j[[],{"$":["dict",1,2]}]', b"j[[],{},1]"])
    def test_a_value_that_is_no_call_is_an_error(self, data):
        with pytest.raises(SerializationError, match="not the arguments of a call"):
            decode_call(data, pytest.fail)
