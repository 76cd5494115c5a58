"""The built-in exporters, as a plugin like anyone's."""

from nbdl.hookspecs import Register, hookimpl
from nbdl_exporters.files import network, npz


@hookimpl
def nbdl_exporters(register: Register) -> None:
    """Offer files that other programs, or nbdl itself, can read."""
    register("npz", npz)
    register("network", network)
