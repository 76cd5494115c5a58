"""The exceptions of nbdl: one tree, and every message says what was wrong, where, and what would work.

Catch `NbdlError` for anything that nbdl refuses. Each class is also the built-in exception that Python programmers
expect (`ShapeError` is a `ValueError`, ...), so existing `except` clauses keep working.
"""

from collections.abc import Iterable
from difflib import get_close_matches


class NbdlError(Exception):
    """Base of everything that nbdl raises on purpose.

    `str(error)` is a sentence or two meant for the person who made the mistake; the command line prints it as it is.
    """


class ShapeError(NbdlError, ValueError):
    """Sizes that don't fit together: operands, a layer and its input, a mask, a batch."""


class DtypeError(NbdlError, TypeError):
    """A dtype that an operation doesn't take, or two that don't go together."""


class OptionError(NbdlError, ValueError):
    """An option that doesn't exist, has the wrong type, or lies outside its range."""


class UnknownNameError(NbdlError, LookupError):
    """A model, loss, optimizer, ... that no plugin offers. The message suggests near names."""


class PluginError(NbdlError):
    """A plugin that can't be imported, breaks its contract, or claims a name that another one has."""


class DataError(NbdlError, ValueError):
    """Data that can't be trained on: a missing file or column, text among numbers, labels outside the range, NaN."""


class RunError(NbdlError):
    """A run folder that can't be read, written or resumed."""


class NumericsError(NbdlError, ArithmeticError):
    """A loss or gradient that is no longer finite."""


class UntraceableError(NbdlError, TypeError):
    """Python code that can't be recorded as a graph: it asked for the value of a tensor that has none yet."""


class VerifyError(NbdlError, AssertionError):
    """A graph that breaks a rule of the intermediate representation: a bug in a pass or a plugin's primitive."""


class InterruptedTraining(NbdlError, KeyboardInterrupt):  # noqa: N818 - a stop, not an error
    """Training was stopped by Ctrl-C after everything had been saved."""


def suggest(name: str, known: Iterable[str]) -> str:
    """Return a phrase with the names nearest to `name`, or with all of them if none is near.

    >>> suggest("adm", ["adam", "sgd"])
    "did you mean 'adam'?"
    """
    names = sorted(set(known))
    near = get_close_matches(name, names, n=3, cutoff=0.6)
    if near:
        return "did you mean " + " or ".join(repr(match) for match in near) + "?"
    return "there is " + ", ".join(names) if names else "there is none"
