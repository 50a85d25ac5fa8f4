"""Errors that a user can mend, and how tools say them."""

import functools
import sys
from collections.abc import Callable


class UsageError(ValueError):
    """Something that the user can mend: its message is one sentence with what to do.

    The command lines in ``tools/`` print it without a traceback and exit with code 2.
    """


def reporting_errors(main: Callable[[], None]) -> Callable[[], None]:
    """Turn what a user can mend into one line and exit code 2, and Ctrl-C into exit code 130.

    Args:
        main (Callable): The command. Any other exception keeps its traceback: it is a defect.
    """

    @functools.wraps(main)
    def wrapped() -> None:
        try:
            main()
        except UsageError as error:
            print(f'error: {error}', file=sys.stderr)
            sys.exit(2)
        except (KeyboardInterrupt, SyntaxError) as error:
            # mmengine turns a Ctrl-C while it formats the config into a SyntaxError
            if KeyboardInterrupt not in (type(error), type(error.__context__)):
                raise
            print('Interrupted; a training goes on with --resume.', file=sys.stderr)
            sys.exit(130)

    return wrapped
