"""`device` and `cuda`: there is one device here, the CPU."""

from __future__ import annotations

from nbdl.compat.naming import PAGE
from nbdl.errors import OptionError


class Device:
    """A device by its name: `cpu` (others can be named, as programs do before they ask whether there is one).

    >>> Device("cuda:0").type
    'cuda'
    """

    def __init__(self, name: str | Device = "cpu", index: int | None = None):
        text = str(name)
        self.type = text.partition(":")[0]
        self.index = int(text.partition(":")[2]) if ":" in text else index

    def __str__(self) -> str:
        return self.type if self.index is None else f"{self.type}:{self.index}"

    def __repr__(self) -> str:
        return f"device(type={self.type!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Device | str) and str(self) == str(other)

    def __hash__(self) -> int:
        return hash(str(self))


CPU = Device("cpu")


def check_device(device: str | Device | None) -> None:
    """Raise `OptionError` for any device but the CPU."""
    if device is not None and Device(device).type != "cpu":
        raise OptionError(
            f"the facade computes on the CPU, not on {str(device)!r}: let the program ask torch.cuda.is_available() "
            f"({PAGE})"
        )
