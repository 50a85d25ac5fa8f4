"""Errors that a user can mend, how tools print them, and how unhelpful output of libraries is silenced."""

import contextlib
import errno
import functools
import io
import logging
import re
import sys
import traceback
import warnings
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path


class UsageError(ValueError):
    """An error that the user can mend; its message is one sentence that says how.

    The command lines in ``tools/`` print it without a traceback and exit with code 2.
    """


def first_five(names: Iterable[str]) -> str:
    """Join the first five names, with dots if there are more."""
    names = list(names)
    return ', '.join(names[:5]) + (', ...' if len(names) > 5 else '')


def first_line(error: Exception) -> str:
    """Return the first line of an error's message."""
    # str(KeyError) is the repr of the message
    text = error.args[0] if isinstance(error, KeyError) and error.args else error
    return next(iter(str(text).splitlines()), '')


# messages of gloo and NCCL when another process has ended, of Python on an unknown argument, of mmengine on an unknown type
GONE = re.compile(r'(gloo|nccl).*(closed by peer|reset by peer|timed out|timeout|remote process)', re.I | re.S)
UNKNOWN = re.compile(r"(\w+)\.__init__\(\) got an unexpected keyword argument '(\w+)'")
UNREGISTERED = re.compile(r'([\w.]+) is not in the (?:\w+::)?([\w ]+) registry')
# exceptions that constructors raise on wrong arguments
UNFIT = TypeError, ValueError, KeyError, IndexError, AttributeError, AssertionError, ArithmeticError
ELSEWHERE = 'write elsewhere with --work-dir or --out'
# errors of the operating system that a user can mend
REMEDIES = {
    **dict.fromkeys((errno.ENOSPC, errno.EDQUOT), f'free some space there, or {ELSEWHERE}'),
    errno.EFBIG: f'raise the limit on the size of files (ulimit -f), or {ELSEWHERE}',
    errno.EROFS: ELSEWHERE,
    **dict.fromkeys((errno.EEXIST, errno.ENOTDIR), f'a file is where a folder should be, so {ELSEWHERE}'),
    **dict.fromkeys((errno.EACCES, errno.EPERM), f'mend the permissions, or {ELSEWHERE}'),
    errno.EIO: 'the disk, or the connection to it, may be failing: copy the file, or write elsewhere',
}


def sentence_of(error: Exception) -> str | None:
    r"""Describe in one sentence an error that a user can mend; None for any other error, which is a defect.

    The former are a :class:`UsageError`, an ``OSError`` about space, permissions or a failing disk, wrong arguments in the config, a
    batch too small for a batch norm, and the end of another process of the run; also as a data loader's worker process raises them.

    Example:
        >>> sentence_of(OSError(errno.ENOSPC, 'No space left on device', 'a.pth')).split(':')[0]
        'a.pth could not be read or written (no space left on device)'
        >>> sentence_of(UsageError('Caught UsageError in a worker.\nTraceback ...\nmodule.UsageError: so it is.'))
        'so it is.'
    """
    text = str(error)
    # an error from a worker process has the worker's whole traceback as its message
    last = text.strip().split('\n')[-1] if text.startswith('Caught ') else text
    if isinstance(error, UsageError):
        return re.sub(r'^[\w.]+Error: ', '', last)
    if isinstance(error, RuntimeError) and GONE.search(text):
        return 'another process of this run has ended, and its own output says why: mend that, and go on with --resume.'
    if isinstance(error, ValueError) and 'Expected more than 1 value per channel' in text:
        return 'a batch of one is too few for a batch norm: set train_dataloader.batch_size to 2 or more, and its drop_last=True.'
    if isinstance(error, UNFIT) and (fault := _fault_of_config(error)):
        return f'{fault} in the config or in --cfg-options.'
    number = re.search(r'\[Errno (\d+)\] ([^:]+)(?:: (.+))?', last)
    if not isinstance(error, OSError) or not number or int(number[1]) not in REMEDIES:
        return None
    name = (number[3] or 'a file').strip("'")
    return f'{name} could not be read or written ({number[2].lower()}): {REMEDIES[int(number[1])]}.'


def _fault_of_config(error: Exception) -> str | None:
    """Describe a wrong part of the config; None unless the error comes from a constructor that a registry called."""
    frames = list(traceback.walk_tb(error.__traceback__))
    if not (builds := [i for i, (frame, _) in enumerate(frames) if frame.f_code.co_name.startswith('build')]):
        return None
    builder, below = frames[builds[-1]][0], [frame for frame, _ in frames[builds[-1] + 1 :]]
    text = first_line(error)
    if unknown := UNKNOWN.search(text):
        return f'{unknown[1]} has no setting {unknown[2]!r}: mend or remove it'
    if unregistered := UNREGISTERED.search(text):
        name, kind = unregistered.groups()
        return f'there is no {kind} named {name!r}: name the module that registers it in custom_imports, or mend its type'
    ours = [frame.f_code.co_name for frame in below if _module_of(frame).startswith('custom_modules')]
    if not _module_of(builder).startswith('mm') or (ours and not ours[-1].startswith(('__init__', '_init'))):
        return None
    cfg = builder.f_locals.get('cfg')
    kind = cfg.get('type') if isinstance(cfg, dict) else None
    what = kind if isinstance(kind, str) else getattr(kind, '__name__', 'a part')
    last, line = frames[-1]
    file = Path(last.f_code.co_filename).name
    return f'{what} cannot be made ({type(error).__name__}: {text}; {file}, line {line}): mend its settings'


def _module_of(frame) -> str:
    return frame.f_globals.get('__name__', '')


def reporting_errors(main: Callable[[], None]) -> Callable[[], None]:
    """Decorate a ``main``: errors that a user can mend become one line and exit code 2, Ctrl-C becomes 130, others are raised."""

    @functools.wraps(main)
    def wrapped() -> None:
        # with a log file on a full disk, logging would print a traceback for each line
        logging.raiseExceptions = False
        quiet_libraries()
        try:
            main()
        except (KeyboardInterrupt, SyntaxError) as error:
            # mmengine raises a SyntaxError from a Ctrl-C while it formats the config
            if KeyboardInterrupt not in (type(error), type(error.__context__)):
                raise
            hint = '; it goes on with --resume' if sys.argv[0].endswith('train.py') else ''
            print(f'Interrupted{hint}.', file=sys.stderr)
            sys.exit(130)
        except Exception as error:
            if (sentence := sentence_of(error)) is None:
                raise
            print(f'error: {sentence}', file=sys.stderr)
            sys.exit(2)

    return wrapped


def quiet_libraries() -> None:
    """Silence warnings that no user can mend: about unused parts of mmcv, a default of mmseg, and a missing GPU."""
    warnings.filterwarnings('ignore', message='Fail to import ``MultiScaleDeformableAttention``')
    # the default is wanted: every published training divided by the number of all pixels, ignored ones included
    warnings.filterwarnings('ignore', message='Default ``avg_non_ignore`` is False')
    logging.getLogger('torch.utils.cpp_extension').setLevel(logging.ERROR)


@contextlib.contextmanager
def quiet_imports() -> Iterator[None]:
    """Hide what libraries print, and their warnings, while they are imported in the block."""
    with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter('ignore')
        yield
