"""Errors that a user can mend, how tools say them, and what libraries say without need."""

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
    """Something that the user can mend: its message is one sentence with what to do.

    The command lines in ``tools/`` print it without a traceback and exit with code 2.
    """


def first_five(names: Iterable[str]) -> str:
    """Name the first five, and say whether there are more."""
    names = list(names)
    return ', '.join(names[:5]) + (', ...' if len(names) > 5 else '')


def first_line(error: Exception) -> str:
    """Give an error's own words, as far as one line holds them."""
    # of a KeyError the text is the key's
    text = error.args[0] if isinstance(error, KeyError) and error.args else error
    return next(iter(str(text).splitlines()), '')


# what gloo and NCCL say where another process of the run is gone
GONE = re.compile(r'(gloo|nccl).*(closed by peer|reset by peer|timed out|timeout|remote process)', re.I | re.S)
# what Python says of a setting that a class does not have
UNKNOWN = re.compile(r"(\w+)\.__init__\(\) got an unexpected keyword argument '(\w+)'")
# what mmengine says of a type that no module has registered
UNREGISTERED = re.compile(r'([\w.]+) is not in the (?:\w+::)?([\w ]+) registry')
# what a class raises of settings that it cannot take
UNFIT = TypeError, ValueError, KeyError, IndexError, AttributeError, AssertionError, ArithmeticError
ELSEWHERE = 'write elsewhere with --work-dir or --out'
# what the system refuses, and what helps; anything else is a defect, and keeps its traceback
REMEDIES = {
    errno.ENOSPC: f'free some space there, or {ELSEWHERE}',
    errno.EDQUOT: f'free some space there, or {ELSEWHERE}',
    errno.EFBIG: f'raise the limit on the size of files (ulimit -f), or {ELSEWHERE}',
    errno.EROFS: ELSEWHERE,
    errno.EEXIST: f'a file is where a folder should be, so {ELSEWHERE}',
    errno.ENOTDIR: f'a file is where a folder should be, so {ELSEWHERE}',
    errno.EACCES: f'mend the permissions, or {ELSEWHERE}',
    errno.EPERM: f'mend the permissions, or {ELSEWHERE}',
    errno.EIO: 'the disk, or the connection to it, may be failing: copy the file, or write elsewhere',
}


def sentence_of(error: Exception) -> str | None:
    r"""Say in one sentence what a user can mend; None for any other error.

    That is a :class:`UsageError`, an ``OSError`` about room, rights or a failing disk, a part of the config that its class
    refuses, or what is raised where another process of the run is gone. It may come from a data loader's worker process, as the text of a traceback.

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
    if isinstance(error, RuntimeError) and GONE.search(text):
        return 'another process of this run has ended, and its own output says why: mend that, and go on with --resume.'
    if isinstance(error, UNFIT) and (fault := _fault_of_config(error)):
        return f'{fault} in the config or in --cfg-options.'
    number = re.search(r'\[Errno (\d+)\] ([^:]+)(?:: (.+))?', last)
    if not isinstance(error, OSError) or not number or int(number[1]) not in REMEDIES:
        return None
    name = (number[3] or 'a file').strip("'")
    return f'{name} could not be read or written ({number[2].lower()}): {REMEDIES[int(number[1])]}.'


def _fault_of_config(error: Exception) -> str | None:
    """Say what of a config cannot be made, and what helps there; None where nothing was being made, or what fails is no constructor."""
    frames = list(traceback.walk_tb(error.__traceback__))
    places = [i for i, (frame, _) in enumerate(frames) if frame.f_code.co_name.startswith('build')]
    if not places:
        return None
    builder, below = frames[places[-1]][0], [frame for frame, _ in frames[places[-1] + 1 :]]
    text = first_line(error)
    if unknown := UNKNOWN.search(text):
        return f'{unknown[1]} has no setting {unknown[2]!r}: mend or remove it'
    if unregistered := UNREGISTERED.search(text):
        name, kind = unregistered.groups()
        return (
            f'there is no {kind} named {name!r}: name the module that registers it in custom_imports, or mend its type'
        )
    ours = [frame.f_code.co_name for frame in below if _module_of(frame).startswith('custom_modules')]
    if not _module_of(builder).startswith('mm') or (ours and not ours[-1].startswith(('__init__', '_init'))):
        return None
    cfg = builder.f_locals.get('cfg')
    kind = cfg.get('type') if isinstance(cfg, dict) else None
    what = kind if isinstance(kind, str) else getattr(kind, '__name__', 'a part')
    last, line = frames[-1]
    where = f'{Path(last.f_code.co_filename).name}, line {line}'
    return f'{what} cannot be made ({type(error).__name__}: {text}; {where}): mend its settings'


def _module_of(frame) -> str:
    return frame.f_globals.get('__name__', '')


def reporting_errors(main: Callable[[], None]) -> Callable[[], None]:
    """Turn what a user can mend into one line and exit code 2, and Ctrl-C into 130; any other exception is a defect, and stays."""

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
            hint = '; it goes on with --resume' if sys.argv[0].endswith('train.py') else ''
            print(f'Interrupted{hint}.', file=sys.stderr)
            sys.exit(130)
        except Exception as error:
            sentence = sentence_of(error)
            if sentence is None:
                raise
            print(f'error: {sentence}', file=sys.stderr)
            sys.exit(2)

    return wrapped


def quiet_libraries() -> None:
    """Silence what no user can mend: parts of mmcv that nothing here uses, mmseg's defaults, and that there is no GPU."""
    warnings.filterwarnings('ignore', message='Fail to import ``MultiScaleDeformableAttention``')
    # ignored pixels count in the mean's number, as they did in every published training
    warnings.filterwarnings('ignore', message='Default ``avg_non_ignore`` is False')
    logging.getLogger('torch.utils.cpp_extension').setLevel(logging.ERROR)


@contextlib.contextmanager
def quiet_imports() -> Iterator[None]:
    """Import libraries that print while they are imported; what they raise is raised."""
    with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter('ignore')
        yield
