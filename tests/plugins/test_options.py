"""Options: read from any callable's signature, checked, resolved."""

from functools import partial
from typing import Any

import pytest

from nbdl.errors import OptionError
from nbdl.options import Option, describe, read_options
from nbdl.values import Text


def huber(prediction, target, delta: float = 1, *, reduction: "str | None" = None):
    """Huber loss, mean over
    all elements.

    Args:
        prediction: what the model says.
        delta (float): where the square
            turns into a line.
        reduction: mean or sum

    Raises:
        ValueError: never.
    """


def test_options_of_a_loss():
    options = read_options(huber, arguments=2)
    assert list(options) == [
        Option("delta", float, 1.0, False, "where the square turns into a line."),
        Option("reduction", str | None, None, False, "mean or sum"),
    ]


def test_describe():
    described = describe(huber, arguments=2)
    assert (described.name, described.summary) == ("huber", "Huber loss, mean over all elements")
    assert described.doc.startswith("Huber loss, mean over\nall elements.\n\nArgs:\n    prediction")


def test_numpy_style_docstrings():
    def scale(x, factor: int = 2):
        """Scale.

        Parameters
        ----------
        x : array
            nothing
        factor : int
            to multiply with

        Returns
        -------
        array
        """

    assert read_options(scale, arguments=1)["factor"].doc == "to multiply with"


class Base:
    def __init__(self, units: int, name: str = "layer") -> None:
        """Make one.

        Args:
            units: how many.
        """


class Derived(Base):
    pass


class WithCall:
    def __call__(self, x, slope: "float" = 0.1): ...

    def method(self, x, slope: "float" = 0.2): ...


@pytest.mark.parametrize(
    ("factory", "arguments", "names", "default"),
    [
        (Base, 0, ("units", "name"), "layer"),
        (Derived, 0, ("units", "name"), "layer"),
        (partial(huber, delta=3.0), 2, ("delta", "reduction"), None),
        (WithCall(), 1, ("slope",), 0.1),
        (WithCall().method, 1, ("slope",), 0.2),
        (lambda *arrays, scale=1: 0, 2, ("scale",), 1),
    ],
)
def test_kinds_of_callables(factory, arguments, names, default):
    options = read_options(factory, arguments=arguments)
    assert options.names == names
    assert options[names[-1]].default == default


def test_required_options():
    options = read_options(Base)
    assert options["units"].required
    assert options["units"].doc == "how many."
    with pytest.raises(OptionError, match="layer 'dense' needs the option 'units'"):
        options.resolve({}, "layer 'dense'")
    assert options.resolve({"units": 3}) == {"units": 3, "name": "layer"}


def test_supplied_parameters_are_no_options():
    def mlp(*, outputs: "NotImportedHere", hidden: list[int] = (64,)): ...  # noqa: F821

    options = read_options(mlp, supplied=("outputs",), needs=("outputs",))
    assert options.names == ("hidden",)
    assert options["hidden"].default == [64]


def test_checking():
    options = read_options(huber, arguments=2)
    assert options.check({"delta": Text("2"), "reduction": "sum"}) == {"delta": 2.0, "reduction": "sum"}
    with pytest.raises(OptionError, match=r"^loss 'huber' has no option 'dleta'; did you mean 'delta'\?$"):
        options.check({"dleta": 1}, "loss 'huber'")
    with pytest.raises(OptionError, match=r"^option 'delta' of loss 'huber' takes a number, not 'big'$"):
        options.check({"delta": "big"}, "loss 'huber'")
    with pytest.raises(OptionError, match=r"^option 'delta' takes a number, not big$"):
        options.check({"delta": Text("big")})


def test_open_options_take_anything():
    def anything(known: int = 1, **more: Any): ...

    options = read_options(anything)
    assert options.names == ("known",)
    assert options.check({"known": 2, "other": Text("[1]")}) == {"known": 2, "other": [1]}


def only_positional(x, rate=0.1, /): ...


def unresolved(x, rate: "Missing" = 0.1): ...  # noqa: F821


def wrong_default(x, units: int = 1.5): ...


@pytest.mark.parametrize(
    ("factory", "reason"),
    [
        (only_positional, "'rate' is positional-only"),
        (unresolved, r"annotation 'Missing' of its option 'rate' can't be evaluated \(NameError"),
        (wrong_default, r"'units' is annotated as a whole number, but its default is 1\.5"),
        (lambda: 0, "takes 0 positional arguments, and nbdl passes 1"),
        (lambda *, x: 0, "takes 0 positional arguments, and nbdl passes 1"),
        (type, "no signature to read"),
    ],
)
def test_signatures_that_are_refused(factory, reason):
    with pytest.raises(OptionError, match=reason):
        read_options(factory, arguments=1)


def test_a_needed_parameter():
    with pytest.raises(OptionError, match="it has no parameter 'outputs', which nbdl fills in"):
        read_options(lambda hidden=3: 0, supplied=("outputs",), needs=("outputs",))
    assert read_options(lambda **anything: 0, supplied=("outputs",), needs=("outputs",)).open
