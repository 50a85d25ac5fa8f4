import multiprocessing
import signal
import sys
from collections.abc import Callable
from concurrent.futures import BrokenExecutor, ProcessPoolExecutor

from custom_modules.usage_error import UsageError


def in_own_process(function: Callable, *arguments):
    """Call a function in a process of its own, whose memory is given back before this one goes on.

    For what imports torch, which takes several hundred megabytes, and is not needed afterwards. Where torch is
    imported already, as in tests, nothing would be saved: the function is called here.

    Args:
        function (Callable): A function of a module, with a result that can be pickled.
        *arguments: Its arguments.

    Returns:
        Any: Its result.

    Raises:
        UsageError: As the function, or if the process dies.
    """
    if 'torch' in sys.modules:
        return function(*arguments)
    pool = ProcessPoolExecutor(
        1,
        multiprocessing.get_context('spawn'),
        # Ctrl-C ends it without a traceback
        initializer=signal.signal,
        initargs=(signal.SIGINT, signal.SIG_DFL),
    )
    try:
        return pool.submit(function, *arguments).result()
    except BrokenExecutor as error:
        raise UsageError(
            'the process that reads the config died, perhaps for want of memory: close other programs and try again.'
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)
