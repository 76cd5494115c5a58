"""Checks of options that several models have."""

from __future__ import annotations

from collections.abc import Sequence

from nbdl.errors import OptionError


def check_widths(model: str, option: str, widths: Sequence[int]) -> None:
    """Raise `OptionError` unless there are widths, each of at least 1."""
    if not widths or min(widths) < 1:
        raise OptionError(f"{model} takes {option} as widths of at least 1, such as [128,32], not {list(widths)}")


def check_share(model: str, option: str, share: float) -> None:
    """Raise `OptionError` unless an option is at least 0 and less than 1."""
    if not 0 <= share < 1:
        raise OptionError(f"{model} takes a {option} of at least 0 and less than 1, not {share}")
