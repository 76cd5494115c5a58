"""What all tests share."""

import signal
from collections.abc import Iterator

import pytest

if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    # Started in the background by a shell without job control: Ctrl-C is ignored, and would be by what tests start.
    signal.signal(signal.SIGINT, signal.default_int_handler)

ABOUT_MEANING = ("tests/ir/", "tests/contracts/", "tests/plugins_builtin/", "tests/test_tensor.py")


@pytest.fixture(autouse=True, scope="module")
def _interpreted(request: pytest.FixtureRequest) -> Iterator[None]:
    """NumPy runs the tests about what operations mean, however often a graph comes back; others compile."""
    if not request.node.nodeid.startswith(ABOUT_MEANING):
        yield
        return
    from nbdl import testing

    with testing.interpreted():
        yield
