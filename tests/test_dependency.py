"""What people write as ``depends_on`` becomes groups with rules, or an error that says what to write instead."""

from __future__ import annotations

import pytest

from rqdeps.dependency import RULES, Dependency, Output, groups_of, job_ids_of


class Job:
    def __init__(self, job_id):
        self.id = job_id


A, B, C = Job("a"), Job("b"), Job("c")


def told(groups):
    return [(group.job_ids, group.rule) for group in groups]


class TestDependency:
    @pytest.mark.parametrize("jobs", ["a", A, ["a"], [A], (A,), iter([A])])
    def test_a_job_an_id_and_a_sequence_of_one_mean_the_same(self, jobs):
        assert told([Dependency(jobs)]) == [(("a",), "all_success")]

    def test_jobs_and_ids_may_be_mixed_and_keep_their_order(self):
        assert Dependency([B, "a", C]).job_ids == ("b", "a", "c")

    @pytest.mark.parametrize("rule", RULES)
    def test_every_rule_is_known(self, rule):
        assert Dependency(A, rule=rule).rule == rule

    def test_an_unknown_rule_is_an_error_that_names_the_rules(self):
        with pytest.raises(
            ValueError, match="there is no trigger rule 'all_succeeded'; the rules are: all_success, all_f"
        ):
            Dependency(A, rule="all_succeeded")

    def test_allow_failure_is_all_done(self):
        assert Dependency(A, allow_failure=True).rule == "all_done"

    def test_allow_failure_and_a_rule_are_an_error(self):
        with pytest.raises(ValueError, match="allow_failure=True means rule='all_done'; drop one"):
            Dependency(A, allow_failure=True, rule="all_done")

    def test_no_jobs_are_an_error(self):
        with pytest.raises(ValueError, match="at least one job to wait for"):
            Dependency([])

    def test_a_job_named_twice_is_an_error(self):
        with pytest.raises(ValueError, match="job 'a' is named twice in depends_on"):
            Dependency([A, "b", "a"])

    @pytest.mark.parametrize("jobs", [5, None, [A, None], [["a"]], object()])
    def test_what_is_no_job_is_an_error(self, jobs):
        with pytest.raises(TypeError, match="is no job to depend on: pass a Job, its id, or a Dependency"):
            Dependency(jobs)

    def test_at_the_front_of_the_queue_or_not(self):
        assert not Dependency(A).enqueue_at_front
        assert Dependency(A, enqueue_at_front=True).enqueue_at_front

    def test_the_repr_says_jobs_and_rule(self):
        assert repr(Dependency([A, B], rule="one_done")) == "Dependency(['a', 'b'], rule='one_done')"

    @pytest.mark.parametrize("rule", RULES)
    def test_success_of_several_jobs_is_guaranteed_by_one_rule_only(self, rule):
        assert Dependency([A, B], rule=rule).guarantees_success() is (rule == "all_success")

    @pytest.mark.parametrize("rule", RULES)
    def test_success_of_a_single_job_is_guaranteed_by_the_rules_that_need_one(self, rule):
        needs_one = {"all_success", "one_success", "none_failed_min_one_success", "all_done_min_one_success"}
        assert Dependency(A, rule=rule).guarantees_success() is (rule in needs_one)


class TestGroups:
    @pytest.mark.parametrize("nothing", [None, [], ()])
    def test_nothing_is_no_group(self, nothing):
        assert groups_of(nothing) == ()

    @pytest.mark.parametrize("depends_on", ["a", A, [A], {"a": 1}])
    def test_a_single_job_is_one_group(self, depends_on):
        assert told(groups_of(depends_on)) == [(("a",), "all_success")]

    def test_bare_jobs_form_one_group(self):
        assert told(groups_of([A, "b", C])) == [(("a", "b", "c"), "all_success")]

    def test_each_dependency_is_a_group_of_its_own(self):
        first, second = Dependency(A, rule="all_done"), Dependency([B, C], rule="one_success")
        assert groups_of([first, second]) == (first, second)
        assert groups_of(first) == (first,)

    def test_bare_jobs_beside_dependencies_form_the_first_group(self):
        groups = groups_of([A, Dependency(B, rule="one_failed"), C])
        assert told(groups) == [(("a", "c"), "all_success"), (("b",), "one_failed")]

    def test_a_job_in_two_groups_is_an_error(self):
        with pytest.raises(ValueError, match="job 'a' is named twice in depends_on; a job stands in one group only"):
            groups_of([Dependency([A, B]), Dependency("a", rule="all_done")])
        with pytest.raises(ValueError, match="job 'a' is named twice"):
            groups_of([A, "a"])

    @pytest.mark.parametrize("depends_on", [5, [A, 5], object(), [None]])
    def test_what_is_no_job_is_an_error(self, depends_on):
        with pytest.raises(TypeError, match="is no job to depend on"):
            groups_of(depends_on)


class TestShorthands:
    @pytest.mark.parametrize(
        ("shorthand", "rule"),
        [("run_after_failure", "all_done"), ("allow_partial_dependencies", "all_done_min_one_success")],
    )
    def test_a_shorthand_is_a_rule_for_the_bare_jobs(self, shorthand, rule):
        assert told(groups_of([A, B], **{shorthand: True})) == [(("a", "b"), rule)]
        assert told(groups_of(A, **{shorthand: True})) == [(("a",), rule)]

    def test_two_shorthands_are_an_error(self):
        with pytest.raises(ValueError, match="are two different rules; choose one"):
            groups_of(A, run_after_failure=True, allow_partial_dependencies=True)

    @pytest.mark.parametrize("shorthand", ["run_after_failure", "allow_partial_dependencies"])
    @pytest.mark.parametrize("nothing", [None, []])
    def test_a_shorthand_without_dependencies_is_an_error(self, shorthand, nothing):
        with pytest.raises(
            ValueError, match=f"{shorthand}=True says when a job runs after others; it needs depends_on"
        ):
            groups_of(nothing, **{shorthand: True})

    @pytest.mark.parametrize("shorthand", ["run_after_failure", "allow_partial_dependencies"])
    @pytest.mark.parametrize("depends_on", [Dependency(A), [B, Dependency(A, rule="all_done")]])
    def test_a_shorthand_beside_a_dependency_is_an_error(self, shorthand, depends_on):
        with pytest.raises(ValueError, match=f"{shorthand}=True is a rule of its own; drop it, or give Dependency"):
            groups_of(depends_on, **{shorthand: True})


class TestJobIds:
    def test_ids_are_told_in_order(self):
        assert job_ids_of(A) == job_ids_of("a") == ("a",)
        assert job_ids_of([B, "a"]) == ("b", "a")
        assert job_ids_of([]) == ()


class TestOutput:
    def test_an_output_without_default_is_required(self):
        assert Output("a").is_required
        assert repr(Output("a")) == "<output of a>"
        assert repr(Output("a", 3)) == "<output of a, or 3>"

    @pytest.mark.parametrize("default", [None, 0, False, ()])
    def test_any_default_makes_it_optional(self, default):
        assert not Output("a", default).is_required

    def test_outputs_of_one_job_and_default_are_equal(self):
        assert Output("a") == Output("a")
        assert Output("a") != Output("a", default=None)
        assert len({Output("a"), Output("a"), Output("b")}) == 2


def test_nothing_can_be_taken_out_of_an_output_before_there_is_one():
    output = Output("a")
    with pytest.raises(TypeError, match=r"output of job 'a' .* has no 'rows' to take out yet: pass it whole"):
        output["rows"]
    with pytest.raises(TypeError, match=r"pass it whole, .* map a function over it with Queue\.map"):
        list(output)
