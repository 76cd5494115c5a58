"""`torch.cuda`: what programs ask before they choose a device."""

from __future__ import annotations


def is_available() -> bool:
    """False: the facade computes on the CPU."""
    return False


def device_count() -> int:
    """0: the facade computes on the CPU."""
    return 0


def manual_seed(seed: int) -> None:
    """Nothing: `torch.manual_seed` is enough."""


manual_seed_all = manual_seed
