"""Hooks for the life of a run: who is called, who isn't again, and who is found anew."""


import pytest

from nbdl.hookspecs import hookimpl
from nbdl.plugins import isolated_plugins


def test_life_cycle_hooks_are_called_and_a_failing_one_is_left_out():
    seen = []

    class Good:
        @hookimpl
        def nbdl_run_start(self, run):
            seen.append(("start", run))

        @hookimpl
        def nbdl_epoch_end(self, epoch):  # only the arguments it wants
            seen.append(("epoch", epoch))

    class Bad:
        @hookimpl
        def nbdl_epoch_end(self, run, epoch, logs):
            seen.append(("bad", epoch))
            raise ValueError("no room")

    with isolated_plugins(Bad(), Good()) as own:
        own.call("nbdl_run_start", run="r")
        with pytest.warns(RuntimeWarning, match=r"plugin Bad .* nbdl_epoch_end failed: ValueError: no room"):
            own.call("nbdl_epoch_end", run="r", epoch=0, logs={})
        own.call("nbdl_epoch_end", run="r", epoch=1, logs={})
    assert seen == [("start", "r"), ("bad", 0), ("epoch", 0), ("epoch", 1)]


def test_a_life_cycle_hook_is_heard_by_plugins_that_come_and_go():
    class Sample:
        def __init__(self, name):
            self.name = name

        @hookimpl
        def nbdl_epoch_end(self, epoch):
            seen.append((self.name, epoch))

    seen = []
    with isolated_plugins() as own:
        own.call("nbdl_epoch_end", run=None, epoch=0, logs={})
        for name in ("first", "second"):
            own.register_plugin(Sample(name), name)
        own.call("nbdl_epoch_end", run=None, epoch=1, logs={})
        own.disable("first")
        own.call("nbdl_epoch_end", run=None, epoch=2, logs={})
        own.register_plugin(Sample("third"), "second")  # a notebook's cell that was run again
        own.call("nbdl_epoch_end", run=None, epoch=3, logs={})
    assert seen == [("first", 1), ("second", 1), ("second", 2), ("third", 3)]


def test_ctrl_c_in_a_hook_is_no_plugin_error():
    class Sample:
        @hookimpl
        def nbdl_run_start(self, run):
            raise KeyboardInterrupt

    with isolated_plugins(Sample()) as own, pytest.raises(KeyboardInterrupt):
        own.call("nbdl_run_start", run=None)
