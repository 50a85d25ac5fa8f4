"""Errors that a user can mend, and how tools say them."""

import errno
import functools
import logging
import re
import sys
from collections.abc import Callable, Iterable

from custom_modules.utils.quiet import quiet_libraries


class UsageError(ValueError):
    """Something that the user can mend: its message is one sentence with what to do.

    The command lines in ``tools/`` print it without a traceback and exit with code 2.
    """


def first_five(names: Iterable[str]) -> str:
    """Name the first five, and say whether there are more."""
    names = list(names)
    return ', '.join(names[:5]) + (', ...' if len(names) > 5 else '')


ELSEWHERE = 'write elsewhere with --work-dir or --out'
# what the system refuses, and what helps; anything else is a defect, and keeps its traceback
REMEDIES = {
    errno.ENOSPC: f'free some space there, or {ELSEWHERE}',
    errno.EDQUOT: f'free some space there, or {ELSEWHERE}',
    errno.EFBIG: f'raise the limit on the size of files (ulimit -f), or {ELSEWHERE}',
    errno.EROFS: ELSEWHERE,
    errno.EACCES: f'mend the permissions, or {ELSEWHERE}',
    errno.EPERM: f'mend the permissions, or {ELSEWHERE}',
    errno.EIO: 'the disk, or the connection to it, may be failing: copy the file, or write elsewhere',
}


def sentence_of(error: Exception) -> str | None:
    r"""Say in one sentence what a user can mend.

    Args:
        error (Exception): A :class:`UsageError`, or an ``OSError`` that is about room, rights or a failing disk. It may come
            from a data loader's worker process, as the text of a traceback.

    Returns:
        str | None: The sentence; None for any other error.

    Example:
        >>> sentence_of(OSError(errno.ENOSPC, 'No space left on device', 'a.pth')).split(':')[0]
        'a.pth could not be read or written (no space left on device)'
        >>> sentence_of(UsageError('Caught UsageError in a worker.\nTraceback ...\nmodule.UsageError: so it is.'))
        'so it is.'
    """
    text = str(error)
    # torch raises a worker's error again with the worker's traceback as its text
    last = text.strip().split('\n')[-1] if text.startswith('Caught ') else text
    if isinstance(error, UsageError):
        return re.sub(r'^[\w.]+Error: ', '', last)
    if not isinstance(error, OSError):
        return None
    number = re.search(r'\[Errno (\d+)\] ([^:]+)(?:: (.+))?', last)
    remedy = number and REMEDIES.get(int(number[1]))
    name = (number[3] or 'a file').strip("'") if number else None
    return remedy and f'{name} could not be read or written ({number[2].lower()}): {remedy}.'


def reporting_errors(main: Callable[[], None]) -> Callable[[], None]:
    """Turn what a user can mend into one line and exit code 2, and Ctrl-C into exit code 130.

    Args:
        main (Callable): The command. Any other exception keeps its traceback: it is a defect.
    """

    @functools.wraps(main)
    def wrapped() -> None:
        # a log file on a full disk would print a traceback for each line
        logging.raiseExceptions = False
        quiet_libraries()
        try:
            main()
        except (KeyboardInterrupt, SyntaxError) as error:
            # mmengine turns a Ctrl-C while it formats the config into a SyntaxError
            if KeyboardInterrupt not in (type(error), type(error.__context__)):
                raise
            print('Interrupted; a training goes on with --resume.', file=sys.stderr)
            sys.exit(130)
        except Exception as error:
            sentence = sentence_of(error)
            if sentence is None:
                raise
            print(f'error: {sentence}', file=sys.stderr)
            sys.exit(2)

    return wrapped
