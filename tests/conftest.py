"""What all tests share."""

from collections.abc import Iterator

import pytest

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
