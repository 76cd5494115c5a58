"""Functions on tensors, with the names of the Python array API standard where it has one.

Each takes tensors, numbers or arrays and records what it does; nothing is computed until a value is read. Axis
arguments count from the end when negative; None means all axes.
"""

from nbdl import creation, elementwise, products, reductions, shaping
from nbdl.creation import *  # noqa: F403
from nbdl.elementwise import *  # noqa: F403
from nbdl.products import *  # noqa: F403
from nbdl.reductions import *  # noqa: F403
from nbdl.shaping import *  # noqa: F403

__all__: list[str] = []
__all__ += creation.__all__
__all__ += elementwise.__all__
__all__ += reductions.__all__
__all__ += shaping.__all__
__all__ += products.__all__
