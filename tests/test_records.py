"""Enums and dataclasses come back exactly, where their classes may be imported; else as plain values that know them."""

from __future__ import annotations

import copy
import dataclasses
import pickle

import models
import pytest
from hypothesis import given
from hypothesis import strategies as st
from models import Bits, Both, Box, Color, Counted, Frozen, Level, Mode, Moment, Outer, Plain, Point, Slotted, Word
from test_serializers import hashables, told, values

from rqdeps import Unbuilt
from rqdeps.classes import resolve_class
from rqdeps.codec import Codec
from rqdeps.dependency import Output
from rqdeps.errors import JobTimeoutError, SerializationError
from rqdeps.serializers import dumps, encode_call, loads
from rqdeps.tags import MAX_DEPTH

decode_call = Codec().decode_call

members = st.sampled_from(
    [*Color, Color.CRIMSON, Outer.Color.SEA, *Level, *Word, *Moment, *Mode, Mode(0), Mode(5), *Bits, Bits(9)]
)
flat = st.one_of(
    members,
    st.builds(Frozen, hashables, right=hashables | members),
    st.builds(Slotted, hashables | members),
)
nested = st.recursive(
    values | members | st.sampled_from(Both),
    lambda inner: st.one_of(
        st.builds(Point, inner, inner),
        st.builds(models.Special, inner, inner, inner),
        st.builds(Plain, inner),
        st.builds(Frozen, inner, right=inner),
        st.builds(Slotted, inner),
        st.builds(Counted, st.integers(), st.lists(inner, max_size=2)),
        st.builds(Box, inner),
        st.builds(Outer.Inner, inner),
        st.builds(Output, st.text("abc", min_size=1), inner),
        st.lists(inner, max_size=3),
        st.lists(inner, max_size=3).map(tuple),
        st.dictionaries(flat | st.text(), inner, max_size=3),
        st.frozensets(flat, max_size=3),
    ),
    max_leaves=10,
)


def back(value):
    return loads(dumps(value), classes=resolve_class)


def refusal(value):
    with pytest.raises(SerializationError) as caught:
        dumps([{"a": value}], where="argument 1")
    message = str(caught.value)
    assert message.startswith('argument 1[0]["a"] is ')
    return message


def misfit(path, fields, match, classes=resolve_class):
    data = dumps(Unbuilt(path, fields))
    with pytest.raises(SerializationError, match=match):
        loads(data, classes=classes)


class TestRoundTrip:
    @given(nested)
    def test_any_value_comes_back_as_it_was_types_included(self, value):
        assert told(back(value)) == told(value)

    @given(nested)
    def test_what_was_read_without_classes_is_carried_on_as_it_came(self, value):
        assert told(loads(dumps(loads(dumps(value))), classes=resolve_class)) == told(value)

    @pytest.mark.parametrize(
        ("value", "data"),
        [
            (Color.RED, b'j{"$":["enum","models.Color","RED"]}'),
            (Color.CRIMSON, b'j{"$":["enum","models.Color","RED"]}'),
            (Outer.Color.SEA, b'j{"$":["enum","models.Outer.Color","SEA"]}'),
            (Mode.READ | Mode.WRITE, b'j{"$":["enum","models.Mode","BOTH"]}'),
            (Mode.READ | Mode.RUN, b'j{"$":["enum","models.Mode",5]}'),
            (Point(1, (2,)), b'j{"$":["dataclass","models.Point",{"x":1,"y":{"$":["tuple",2]}}]}'),
            (Outer.Inner(None), b'j{"$":["dataclass","models.Outer.Inner",{"value":null}]}'),
        ],
    )
    def test_values_are_written_like_this(self, value, data):
        assert dumps(value) == data

    def test_members_come_back_as_themselves(self):
        for member in (Color.RED, Level.HIGH, Word.NAME, Moment.EPOCH, Both.UNIT, Mode.BOTH):
            assert back(member) is member

    def test_init_and_post_init_are_not_called_again(self):
        counted = Counted(5)
        counted.history.append("used")
        assert vars(back(counted)) == {"seen": 6, "history": ["made", "used"]}

    def test_a_class_with_ways_of_its_own_to_be_made_and_set_is_not_asked(self):
        assert told(back(models.Picky(1))) == told(models.Picky(1))

    def test_cached_properties_are_worked_out_again(self):
        value = models.Cached(4)
        assert value.double == 8
        assert vars(back(value)) == {"value": 4}

    def test_outputs_inside_are_found_and_replaced(self):
        payload, outputs = encode_call((Point(Output("a"), [Frozen(Output("b", default=Color.RED))]),), {})
        assert [output.job_id for output in outputs] == ["a", "b"]
        (point,), _ = decode_call(payload, lambda output: output.job_id)
        assert point.x == "a"
        assert point.y[0].left == "b"

    def test_instances_may_stand_inside_each_other_up_to_the_limit(self):
        value = Color.RED
        for _ in range(MAX_DEPTH):
            value = Point(value)
        assert back(value) == value
        assert dumps(loads(dumps(value))) == dumps(value)


class TestRefusals:
    @pytest.mark.parametrize(
        ("value", "why"),
        [
            (models.make_local(), "defined inside a function, where no worker can find it: move the class to the top"),
            (models.Renamed(1), "that path leads to something else"),
            (models.Careless(1), "has the attribute 'connection', which is no field and would be lost"),
            (models.Unset(), "whose field 'value' has no value: give it one, or a default"),
            (models.Mapped(), "inherits from dict, so that its fields are not all of it: pass a plain dict"),
            (models.Raised(), "inherits from Exception, so that its fields are not all of it"),
            (Box[int](1), "made by a class with its types in brackets, models.Box[int], which can't be carried"),
            (models.Open(7), "no member of its class by name: pass its .value"),
            (Point(object()).x, "is of the type object"),
        ],
        ids=lambda value: value if isinstance(value, str) else "",
    )
    def test_what_would_not_come_back_is_refused_with_the_way_out(self, value, why):
        assert why in refusal(value)

    def test_slots_that_are_no_fields_are_refused_if_they_are_set(self):
        value = models.SlotsBelow(1)
        assert told(back(value)) == told(value)
        value.extra = 1
        assert "has the attribute 'extra', which is no field" in refusal(value)

    def test_classes_of_the_program_that_was_started_are_refused(self, monkeypatch):
        kind = dataclasses.make_dataclass("Fresh", ["value"])
        monkeypatch.setattr(kind, "__module__", "__main__")
        assert "belongs to the program that was started" in refusal(kind(1))

    def test_the_place_is_named_down_to_the_field(self):
        with pytest.raises(SerializationError, match=r'^argument 1\.x\[0\]\.left\["a"\] is of the type object, '):
            encode_call((Point([Frozen({"a": object()})]),), {})

    def test_instances_that_contain_themselves_are_refused(self):
        point = Point(1)
        point.x = [point]
        with pytest.raises(SerializationError, match=r"value\.x\[0\] is the same Point that it stands in"):
            dumps(point)

    def test_jobs_to_be_are_dataclasses_and_refused_as_jobs(self):
        class Draft(Point):
            __rqdeps_job__ = True

        assert "is a job: pass its .output" in refusal(Draft(1))


class TestClassesThatDoNotFit:
    def test_a_field_too_many(self):
        misfit(
            "models.Point", {"x": 1, "y": 2, "w": 3}, "a models.Point with the field 'w', which .* does not have; the"
        )

    def test_a_field_too_few(self):
        misfit("models.Point", {"x": 1}, "a models.Point without the field 'y', .*; the class has changed .* or delete")

    def test_no_dataclass(self):
        misfit("models.Color", {"x": 1}, "is no dataclass; the class has changed")
        misfit("models.NotAClass", {}, "is no dataclass")

    def test_no_class(self):
        misfit("models.not_a_class", {}, "models.not_a_class is of the type Point, and no class")
        misfit("models.make_local", {}, "of the type function, and no class")

    def test_an_abstract_class(self):
        misfit("models.Abstract", {"value": 1}, "a models.Abstract that can't be made: ")

    def test_a_class_that_is_more_than_its_fields(self):
        misfit("models.Mapped", {"value": 1}, "a models.Mapped that can't be made: ")

    @pytest.mark.parametrize("path", ["models.Gone", "nowhere.Gone", "models.Point.x.y"])
    def test_no_such_class(self, path):
        misfit(path, {}, "can't be imported")

    @pytest.mark.parametrize("path", ["", "Point", "models..Point", "models.", "../etc.passwd", "models.Point()"])
    def test_no_path(self, path):
        misfit(path, {}, "is no dotted path of a class")

    def test_no_such_member(self):
        data = dumps(Unbuilt("models.Color", {"name": "BLUE"}, is_member=True))
        with pytest.raises(SerializationError, match=r"the member 'BLUE' of the enum models.Color, which has none of"):
            loads(data, classes=resolve_class)

    def test_no_enum(self):
        data = dumps(Unbuilt("models.Point", {"name": "x"}, is_member=True))
        with pytest.raises(SerializationError, match=r"a member of models.Point, which is no enum"):
            loads(data, classes=resolve_class)

    def test_no_such_value(self):
        data = dumps(Unbuilt("models.Color", {"value": 99}, is_member=True))
        with pytest.raises(SerializationError, match=r"a models.Color that can't be made: 99 is not a valid Color"):
            loads(data, classes=resolve_class)

    @pytest.mark.parametrize(
        "tag",
        [
            '["enum"]',
            '["enum","models.Color"]',
            '["enum","models.Color",1.5]',
            '["enum","models.Color",true]',
            '["enum",1,"RED"]',
            '["dataclass","models.Point"]',
            '["dataclass","models.Point",[]]',
            '["dataclass","models.Point",{"$":["dict",1,2]}]',
            '["dataclass",{},{}]',
            '["dataclass","models.Point",{},1]',
        ],
    )
    @pytest.mark.parametrize("classes", [None, resolve_class])
    def test_malformed_tags_are_an_error(self, tag, classes):
        with pytest.raises(SerializationError, match=r"these bytes were damaged: they hold .*, which is no "):
            loads(b'j{"$":%s}' % tag.encode(), classes=classes)

    def test_a_class_whose_instances_raise_when_they_are_put_into_a_set(self):
        data = dumps({models.Unhashed("set")}).replace(b'"set"}', b'"bad"}')
        with pytest.raises(SerializationError, match=r"a set that can't be made: no hash"):
            loads(data, classes=resolve_class)


class TestAllowing:
    def test_the_path_is_asked_for_before_the_import_and_the_class_after_it(self):
        asked = []
        assert resolve_class("models.NotAClass.Inner", lambda *each: asked.append(each)) is Point
        assert asked == [("models.NotAClass.Inner", None), ("models.NotAClass.Inner", Point)]

    def test_nothing_is_imported_that_is_not_allowed(self):
        def refuse(path, found):
            raise PermissionError(f"{path} may not be used")

        with pytest.raises(SerializationError, match=r"^this.Gone may not be used$") as caught:
            resolve_class("this.Gone", refuse)
        assert isinstance(caught.value.__cause__, PermissionError)

    def test_a_job_that_runs_out_of_time_there_is_told_so(self):
        def over(path, found):
            raise JobTimeoutError("over")

        with pytest.raises(JobTimeoutError):
            loads(dumps(Point(1)), classes=lambda path: resolve_class(path, over))


class TestUnbuilt:
    def test_fields_are_attributes(self):
        point = loads(dumps(Point(1, [Frozen("a")])))
        assert (point.x, point.y[0].left, point.y[0].right) == (1, "a", None)
        assert (point.class_path, point.fields, point.is_member) == ("models.Point", {"x": 1, "y": point.y}, False)
        assert "x" in dir(point)
        with pytest.raises(AttributeError, match=r"models.Point has no 'z'"):
            _ = point.z

    def test_members_have_a_name_or_a_value(self):
        assert loads(dumps(Color.RED)).name == "RED"
        assert loads(dumps(Mode(5))).value == 5
        assert loads(dumps(Color.RED)).is_member

    def test_equal_by_class_and_values(self):
        same = [loads(dumps(Point(1, [2]))) for _ in range(2)]
        assert same[0] == same[1]
        assert hash(same[0]) == hash(same[1])
        assert same[0] != loads(dumps(Point(1, [3])))
        assert same[0] != loads(dumps(models.Special(1, [2])))
        assert same[0] != Point(1, [2])

    def test_it_is_shown_with_its_path_and_values(self):
        point = loads(dumps(Point(1, Color.RED)))
        assert repr(point) == "<models.Point(x=1, y=<models.Color 'RED'>)>"

    def test_it_builds_the_class_that_the_program_names(self):
        value = Point([Color.RED], {"a": (Frozen(1),), "b": {Slotted(2)}, "c": frozenset({Level.LOW})})
        unbuilt = loads(dumps(value))
        assert told(unbuilt.build(Point, Color, Frozen, Slotted, Level)) == told(value)
        assert unbuilt.build(Point).x[0] == loads(dumps(Color.RED))
        assert loads(dumps(Mode(5))).build(Mode) is Mode(5)

    def test_it_builds_no_other_class(self):
        with pytest.raises(TypeError, match=r"this is a models.Point, and can't be made as a models.Special"):
            loads(dumps(Point(1))).build(models.Special)

    def test_it_builds_only_what_fits(self):
        with pytest.raises(SerializationError, match=r"without the field 'y'"):
            Unbuilt("models.Point", {"x": 1}).build(Point)

    def test_it_can_be_copied_and_pickled(self):
        unbuilt = loads(dumps(Point([1], Color.RED)))
        for again in (copy.copy(unbuilt), copy.deepcopy(unbuilt), pickle.loads(pickle.dumps(unbuilt))):
            assert again == unbuilt
            assert again.y.is_member
