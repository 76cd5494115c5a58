"""How `nbdl` ends: with 0 if all is done, else with one of these."""

import errno

from nbdl.errors import InterruptedTraining, NumericsError, UntraceableError, VerifyError

EXIT_FAILED = 1
EXIT_WRONG_REQUEST = 2
EXIT_INTERRUPTED = 130
DISK = (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EFBIG)


def exit_code(error: BaseException) -> int:
    """Return 2 for a request that can't be served, 1 for work that failed: numbers, the disk, a bug; 130 for Ctrl-C."""
    if isinstance(error, InterruptedTraining):
        return EXIT_INTERRUPTED
    if isinstance(error.__cause__, OSError) and error.__cause__.errno in DISK:
        return EXIT_FAILED
    failed = isinstance(error, NumericsError | VerifyError | UntraceableError)
    return EXIT_FAILED if failed else EXIT_WRONG_REQUEST
