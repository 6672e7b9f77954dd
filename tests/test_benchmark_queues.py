"""The adapters of ``python -m benchmarks``: what can be said of them without the queues that they call."""

from __future__ import annotations

import ast

import checkout
import pytest

from benchmarks.queues.shapes import is_chain, is_fan_in, levels

FOLDER = checkout.ROOT / "benchmarks" / "queues"
PEERS = ("rq", "celery", "dramatiq", "huey", "arq", "saq", "taskiq", "streaq", "bullmq", "blitzq")

CHAIN = [[], [0], [1]]
FAN_IN = [[], [], [], [2, 0, 1]]
DIAMOND = [[], [0], [0], [1, 2]]
LAYERED = [[], [], [], [0, 1], [1, 2]]


@pytest.mark.parametrize("peer", ["rqdeps", *PEERS])
def test_an_adapter_is_described_without_its_queue(peer: str):
    tree = ast.parse((FOLDER / f"{peer}.py").read_text())
    (adapter,) = (
        node
        for node in tree.body
        if isinstance(node, ast.ClassDef) and any(ast.unparse(base) == "Adapter" for base in node.bases)
    )
    described = {
        target.id: ast.literal_eval(node.value)
        for node in adapter.body
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    assert described["name"] == peer
    assert described["requirements"]
    assert all(isinstance(described.get(text, ""), str) for text in ("settings", "lacks"))
    assert described.get("python", (3, 10)) >= (3, 10)
    assert peer == "rqdeps" or described["lacks"], "a peer's table says what it does not do"


def test_levels_are_found_where_each_waits_for_all_of_the_one_before():
    assert levels(CHAIN) == [[0], [1], [2]]
    assert levels(FAN_IN) == [[0, 1, 2], [3]]
    assert levels(DIAMOND) == [[0], [1, 2], [3]]
    assert levels(LAYERED) is None


def test_a_chain_and_a_fan_in_are_recognised():
    assert [is_chain(graph) for graph in (CHAIN, FAN_IN, DIAMOND, LAYERED)] == [True, False, False, False]
    assert [is_fan_in(graph) for graph in (CHAIN, FAN_IN, DIAMOND, LAYERED)] == [False, True, False, False]
