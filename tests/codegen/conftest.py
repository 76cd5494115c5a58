"""Programs of these tests are compiled into a cache of the session's own: none is read that older code has made."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from nbdl.codegen.cache import program_dir


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NBDL_CACHE_DIR", str(tmp_path_factory.mktemp("cache")))
        program_dir.cache_clear()
        yield
    program_dir.cache_clear()
