"""`torch.utils`."""

from nbdl.compat.torch.utils import data

__all__ = ["data"]
