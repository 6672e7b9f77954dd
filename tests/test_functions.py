"""A function's path leads a worker back to it; what has no such path is refused by its reason."""

from __future__ import annotations

import functools
import gc
import importlib
import math
import operator
import os.path
import random
import sys
import time
import types
import weakref

import pytest
import samples

from rqdeps.errors import JobTimeoutError, RqdepsError, UnsupportedFunctionError
from rqdeps.functions import FunctionImportError, bind, check_near_options, path_of, resolve

HERE = samples.__name__
OPTIONS = frozenset(
    {"at_front", "depends_on", "description", "job_id", "job_timeout", "meta", "result_ttl", "retry", "ttl", "unique"}
)


@pytest.fixture
def modules(tmp_path, monkeypatch):
    """Writes modules that can be imported, and forgets them afterwards."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    before = set(sys.modules)

    def write(**sources):
        for name, source in sources.items():
            path = tmp_path.joinpath(*name.split("__")).with_suffix(".py")
            path.parent.mkdir(exist_ok=True)
            path.write_text(source)
        importlib.invalidate_caches()

    yield write
    for name in set(sys.modules) - before:
        del sys.modules[name]


class TestPathOf:
    @pytest.mark.parametrize(
        ("fn", "path"),
        [
            (samples.report, f"{HERE}.report"),
            (samples.later, f"{HERE}.later"),
            (samples.wrapped, f"{HERE}.wrapped"),
            (samples.cached, f"{HERE}.cached"),
            (samples.Mailer, f"{HERE}.Mailer"),
            (samples.Mailer.send, f"{HERE}.Mailer.send"),
            (samples.Mailer.static, f"{HERE}.Mailer.static"),
            (samples.Mailer.for_class, f"{HERE}.Mailer.for_class"),
            (samples.Mailer.Inner.deep, f"{HERE}.Mailer.Inner.deep"),
            (samples.SpecialMailer.static, f"{HERE}.Mailer.static"),
            (samples.SpecialMailer.for_class, f"{HERE}.SpecialMailer.for_class"),
            (samples.send, f"{HERE}.send"),
            (random.randint, "random.randint"),
            (time.sleep, "time.sleep"),
            (math.sqrt, "math.sqrt"),
            (len, "builtins.len"),
            (operator.add, "_operator.add"),
            (dict.fromkeys, "builtins.dict.fromkeys"),
            (str.upper, "builtins.str.upper"),
            (os.path.join, "posixpath.join"),
        ],
    )
    def test_the_path_leads_back_to_the_function(self, fn, path):
        assert path_of(fn) == path
        assert resolve(path) == fn

    def test_a_path_is_taken_as_it_is(self):
        assert path_of("package.module.Class.method") == "package.module.Class.method"

    @pytest.mark.parametrize(
        "path", ["", "report", "tasks:report", "tasks.", ".report", "a..b", "tasks.report()", "1.a"]
    )
    def test_a_str_that_is_no_path_is_refused(self, path):
        with pytest.raises(UnsupportedFunctionError, match=r"is no dotted path of a function, such as 'tasks\.report'"):
            path_of(path)

    @pytest.mark.parametrize(
        ("fn", "reason"),
        [
            (samples.unnamed, r"<lambda> has no path: define a function with def and a name"),
            (samples.make_nested(), r"nested is defined inside a function.* move it to the top level of its module"),
            (samples.mailer, r"is an object of the type Mailer, which has no path of its own: pass a function"),
            (samples.Mailer().send, r"^Mailer\.send is bound to <.*Mailer object .*>, which a worker does not have"),
            ([].append, r"^list\.append is bound to \[\], which a worker does not have"),
            ((5).__add__, r"^int\.__add__ is bound to 5"),
            (functools.partial(samples.report, 1), r"is a functools\.partial, which has no path: pass its function"),
            (samples.badly_wrapped, r"wrapper is defined inside a function"),
            (
                samples.given_before_replacing,
                r"leads to <function original .*>, not to the function given, .* replaced",
            ),
            (list[int], r"^the path builtins\.list leads to <class 'list'>, not to the function given"),
            (None, r"^None is not callable: pass the function itself, report, and not what it returns, report\(\)"),
        ],
    )
    def test_what_no_worker_could_find_is_refused_by_its_reason(self, fn, reason):
        with pytest.raises(UnsupportedFunctionError, match=reason):
            path_of(fn)

    @pytest.mark.parametrize("name", ["report", "Mailer.send"])
    def test_functions_of_the_program_itself_are_refused(self, name, monkeypatch):
        fn = types.FunctionType(samples.report.__code__, {}, name)
        fn.__module__, fn.__qualname__ = "__main__", name
        monkeypatch.setattr(sys.modules["__main__"], name, fn, raising=False)
        for given in (fn, f"__main__.{name}"):
            with pytest.raises(
                UnsupportedFunctionError, match=r"python -m module.*: move it to a module, such as tasks"
            ):
                path_of(given)

    def test_a_function_taken_out_of_its_module_is_refused(self, monkeypatch):
        fn = types.FunctionType(samples.report.__code__, {}, "gone")
        fn.__module__, fn.__qualname__ = HERE, "gone"
        with pytest.raises(UnsupportedFunctionError, match=rf"^the path {HERE}\.gone leads to nothing, not to"):
            path_of(fn)

    def test_a_function_without_module_is_refused(self):
        fn = types.FunctionType(samples.report.__code__, {}, "gone")
        fn.__module__ = None
        with pytest.raises(UnsupportedFunctionError, match="report belongs to no module"):
            path_of(fn)

    def test_a_function_of_a_module_that_is_not_loaded_is_trusted(self):
        fn = types.FunctionType(samples.report.__code__, {}, "report")
        fn.__module__, fn.__qualname__ = "elsewhere", "report"
        assert path_of(fn) == "elsewhere.report"

    def test_long_objects_are_shown_shortened(self):
        with pytest.raises(UnsupportedFunctionError, match=r"^list\.append is bound to \[0, .{90,110}…, which"):
            path_of(list(range(1_000)).append)

    def test_nothing_is_kept_alive(self, modules):
        modules(passing="def fn(order: 'fn' = None): pass\nfn.__defaults__ = (fn,)")
        fn = resolve("passing.fn")
        assert path_of(fn) == path_of(fn) == "passing.fn"
        bind(fn, (1,), {}, OPTIONS)
        alive = weakref.ref(fn)
        del sys.modules["passing"].fn, fn
        gc.collect()
        assert alive() is None

    def test_a_new_function_of_the_same_name_is_looked_at_anew(self, modules):
        modules(passing="def fn(): return 1")
        old = resolve("passing.fn")
        assert path_of(old) == "passing.fn"
        new = types.FunctionType(old.__code__, {}, "fn")
        new.__module__ = "passing"
        with pytest.raises(UnsupportedFunctionError, match="replaced"):
            path_of(new)


class TestResolve:
    def test_modules_are_imported(self, modules):
        modules(package____init__="", package__tasks="class Task:\n    def run(self): pass\ndef report(): pass")
        assert resolve("package.tasks.report").__module__ == "package.tasks"
        assert resolve("package.tasks.Task.run").__qualname__ == "Task.run"

    def test_methods_are_found_in_modules_not_imported_yet(self, modules):
        modules(package____init__="", package__tasks="class Task:\n    def run(self): pass")
        assert resolve("package.tasks.Task.run").__qualname__ == "Task.run"

    def test_a_replaced_function_is_found_as_it_is_now(self, monkeypatch):
        assert resolve(f"{HERE}.report") is samples.report
        monkeypatch.setattr(samples, "report", samples.anything)
        assert resolve(f"{HERE}.report") is samples.anything

    def test_errors_are_import_errors_and_errors_of_rqdeps(self):
        with pytest.raises(ImportError):
            resolve("no_such_module.report")
        with pytest.raises(RqdepsError):
            resolve("no_such_module.report")

    @pytest.mark.parametrize(
        ("path", "reason"),
        [
            ("no_such_module.report", r"there is no module 'no_such_module' here; is it installed, and was the worker"),
            ("no_such_module.tasks.Task.run", r"there is no module 'no_such_module' here"),
            (f"{HERE}.reprot", rf"'{HERE}' has no 'reprot'; did you mean 'report'\?"),
            (f"{HERE}.Mailer.sned", rf"'{HERE}\.Mailer' has no 'sned'; did you mean 'send'\?"),
            (f"{HERE}.Mailer.xyzzy.run", rf"'{HERE}\.Mailer' has no 'xyzzy'$"),
            (f"{HERE}.not_callable", r"is \{'order': 1\}, which is not callable"),
            ("report", r"'report' is no dotted path of a function"),
        ],
    )
    def test_what_is_not_there_is_named(self, path, reason):
        with pytest.raises(FunctionImportError, match=reason) as caught:
            resolve(path)
        assert caught.value.__cause__ is None

    @pytest.mark.parametrize(
        ("source", "kind"),
        [
            ("import no_such_module", ModuleNotFoundError),
            ("import no_such_package.part", ModuleNotFoundError),
            ("from math import no_such_name", ImportError),
            ("1 / 0", ZeroDivisionError),
            ("def report(:", SyntaxError),
            ("raise SystemExit(3)", SystemExit),
        ],
    )
    @pytest.mark.parametrize("path", ["broken.report", "broken.Task.run"])
    def test_an_error_inside_the_module_is_shown_and_kept_as_the_cause(self, modules, source, kind, path):
        modules(broken=source)
        with pytest.raises(FunctionImportError) as caught:
            resolve(path)
        cause = caught.value.__cause__
        assert type(cause) is kind
        assert str(caught.value) == f"{path} can't be imported: importing 'broken' raised {kind.__name__}: {cause}"

    def test_a_timeout_while_importing_stays_a_timeout(self, modules):
        modules(slow="from rqdeps.errors import JobTimeoutError\nraise JobTimeoutError('too long')")
        with pytest.raises(JobTimeoutError):
            resolve("slow.report")


class TestBind:
    @pytest.mark.parametrize(
        ("fn", "args", "kwargs"),
        [
            (samples.report, (1,), {}),
            (samples.report, (), {"order": 1, "copies": 2}),
            (samples.anything, (1, 2), {"x": 1, "url": 2}),
            (samples.positional_only, (1,), {"second": 2}),
            (samples.wrapped, (1,), {"depend_on": 2}),
            (samples.Mailer, (), {"host": "a"}),
            (samples.Mailer.for_class, (1,), {}),
            (time.sleep, (1,), {}),
            (max, (1, 2), {}),
        ],
    )
    def test_a_call_that_works_passes_also_the_second_time(self, fn, args, kwargs):
        bind(fn, args, kwargs, OPTIONS)
        bind(fn, args, kwargs, OPTIONS)

    @pytest.mark.parametrize(
        ("fn", "args", "kwargs", "message"),
        [
            (samples.report, (), {}, "report() missing a required argument: 'order'"),
            (samples.report, (1, 2), {}, "report() too many positional arguments"),
            (samples.report, (1,), {"order": 1}, "report() multiple values for argument 'order'"),
            (samples.report, (1,), {"xyzzy": 1}, "report() got an unexpected keyword argument 'xyzzy'"),
            (
                samples.report,
                (1,),
                {"depend_on": 1},
                "report() got an unexpected keyword argument 'depend_on'; did you mean the option depends_on=?",
            ),
            (
                samples.report,
                (),
                {"ordr": 1},
                "report() got an unexpected keyword argument 'ordr'; did you mean order=?",
            ),
            (
                samples.Mailer.for_class,
                (1,),
                {"retri": 1},
                "Mailer.for_class() got an unexpected keyword argument 'retri'; did you mean the option retry=?",
            ),
        ],
    )
    def test_a_call_that_can_not_work_is_refused(self, fn, args, kwargs, message):
        for explicit in (False, True):
            with pytest.raises(TypeError) as caught:
                bind(fn, args, kwargs, OPTIONS, explicit=explicit)
            assert str(caught.value) == message

    def test_a_positional_only_parameter_is_no_keyword(self):
        with pytest.raises(TypeError, match=r"^positional_only\(\) got an unexpected keyword argument 'first'"):
            bind(samples.positional_only, (), {"first": 1, "second": 2}, OPTIONS)

    @pytest.mark.parametrize("fn", [samples.anything, samples.wrapped, max])
    @pytest.mark.parametrize(("name", "option"), [("depends_in", "depends_on"), ("rety", "retry")])
    def test_a_slip_for_an_option_is_refused_where_any_keyword_goes(self, fn, name, option):
        with pytest.raises(TypeError) as caught:
            bind(fn, (1,), {name: 1}, OPTIONS)
        assert str(caught.value) == (
            f"got the keyword argument {name!r}; did you mean the option {option}=? If it is meant for the function, "
            f"pass it as kwargs={{{name!r}: ...}}"
        )
        bind(fn, (1,), {name: 1}, OPTIONS, explicit=True)

    def test_a_parameter_of_the_function_is_no_slip(self):
        def fn(depend_on=None, **others):
            return depend_on, others

        bind(fn, (), {"depend_on": 1, "other": 2}, OPTIONS)

    def test_the_name_of_an_option_is_no_slip(self):
        bind(samples.anything, (), {"depends_on": 1}, OPTIONS)

    def test_a_wrapper_is_bound_and_not_what_it_wraps(self):
        @functools.wraps(samples.report)
        def with_order(**kwargs):
            return samples.report(1, **kwargs)

        bind(with_order, (), {"copies": 2}, OPTIONS)
        with pytest.raises(TypeError, match="too many positional arguments"):
            bind(with_order, (1,), {}, OPTIONS)

    def test_many_shapes_of_calls_are_bound_alike(self):
        def fn(*args, **kwargs):
            return args, kwargs

        for number in range(200):
            bind(fn, (), {f"x{number}": 1}, OPTIONS)

    def test_the_fit_of_one_call_does_not_stand_for_another(self):
        bind(samples.report, (1,), {"copies": 1}, OPTIONS)
        with pytest.raises(TypeError, match="missing a required argument: 'order'"):
            bind(samples.report, (), {"copies": 1}, OPTIONS)


class TestCheckNearOptions:
    @pytest.mark.parametrize("name", ["order", "url", "x", "depends_on", "metadata", "user_id", "retries"])
    def test_other_names_pass(self, name):
        check_near_options({name: 1}, OPTIONS)

    @pytest.mark.parametrize(
        ("name", "option"),
        [
            ("depend_on", "depends_on"),
            ("dependson", "depends_on"),
            ("jobtimeout", "job_timeout"),
            ("result_tll", "result_ttl"),
            ("atfront", "at_front"),
        ],
    )
    def test_a_slip_is_refused(self, name, option):
        with pytest.raises(TypeError, match=rf"'{name}'; did you mean the option {option}=\?"):
            check_near_options({"order": 1, name: 1}, OPTIONS)
