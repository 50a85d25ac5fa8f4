import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping

MARK = '@@step '
# each step is announced before it begins, so that a crash has a name
_CHILD = f"""
import json, sys, warnings
warnings.simplefilter('ignore')
sys.path[:0] = sys.argv[2:]
def tell(**what):
    print({MARK!r} + json.dumps(what), flush=True)
for name, code in json.loads(sys.argv[1]).items():
    tell(begins=name)
    place = {{}}
    try:
        exec(code, place)
    except BaseException as error:
        lines = str(error).strip().splitlines() or ['']
        tell(ends=name, error=type(error).__name__ + ': ' + lines[0])
    else:
        tell(ends=name, result=place.get('result'))
"""


def try_steps(
    steps: Mapping[str, str], path: tuple[str, ...] = (), seconds: float = 120
) -> dict[str, dict]:
    """Run pieces of Python in another process, which may crash.

    A step that ends the process is noted, and the ones after it run in a new process.

    Args:
        steps (Mapping[str, str]): The code of each step, by name. It may leave a ``result`` that JSON can hold.
        path (tuple[str]): Folders for the beginning of the module path.
        seconds (float): Time for one process. Defaults to 120: on a cold disk torch alone takes half a minute.

    Returns:
        dict[str, dict]: For each step its ``result`` or its ``error``, one line.

    Example:
        >>> try_steps({'fine': 'result = 1 + 1', 'gone': 'import os; os.abort()', 'after': 'raise ValueError(3)'})
        {'fine': {'result': 2}, 'gone': {'error': 'the process died with SIGABRT'}, 'after': {'error': 'ValueError: 3'}}
    """
    left, outcomes = dict(steps), {}
    while left:
        output, death = _run(left, path, seconds)
        begun = None
        for line in output.splitlines():
            if not line.startswith(MARK):
                continue
            told = json.loads(line[len(MARK) :])
            begun = told.get('begins', begun)
            if 'ends' in told:
                outcomes[told.pop('ends')] = told
                begun = None
        if begun is None and not any(name in outcomes for name in left):
            # not even the first step began
            begun = next(iter(left))
        if begun is not None:
            outcomes[begun] = {'error': death}
        left = {name: code for name, code in left.items() if name not in outcomes}
    return {name: outcomes[name] for name in steps}


def _run(steps: Mapping[str, str], path: tuple[str, ...], seconds: float) -> tuple[str, str]:
    """Standard output, and how the process ended."""
    try:
        done = subprocess.run(
            [sys.executable, '-c', _CHILD, json.dumps(dict(steps)), *path],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            stdin=subprocess.DEVNULL,
            timeout=seconds,
            env={**os.environ, 'PYTHONUNBUFFERED': '1'},
        )
    except subprocess.TimeoutExpired as expired:
        return _text(expired.stdout), f'it did not end within {seconds:g} s'
    code = done.returncode
    how = f'with {signal.Signals(-code).name}' if code < 0 else f'with exit code {code}'
    return _text(done.stdout), f'the process died {how}'


def _text(output: bytes | None) -> str:
    return (output or b'').decode(errors='replace')
