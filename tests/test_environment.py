"""Variables of the environment that are asked for at every job."""

from __future__ import annotations

import os

import pytest

from rqdeps.environment import Variable

NAME = "RQDEPS_OF_A_TEST"


def test_a_variable_has_the_value_of_the_moment(monkeypatch: pytest.MonkeyPatch):
    variable = Variable(NAME)
    assert variable.get() == ""
    monkeypatch.setenv(NAME, "ü")
    assert variable.get() == "ü"
    monkeypatch.setenv(NAME, "b")
    assert variable.get() == "b"
    monkeypatch.delenv(NAME)
    assert variable.get() == ""


def test_it_is_found_in_whatever_stands_for_the_environment(monkeypatch: pytest.MonkeyPatch):
    variable = Variable(NAME)
    monkeypatch.setattr(os, "environ", {NAME: "a"})
    assert variable.get() == "a"
    monkeypatch.setattr(os, "environ", {})
    assert variable.get() == ""
