"""What all tests share."""

import signal
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    # Started in the background by a shell without job control: Ctrl-C is ignored, and would be by what tests start.
    signal.signal(signal.SIGINT, signal.default_int_handler)

# How long something takes says nothing here: the machine may be busy, and other tests in the process compile.
settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any machine")

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
