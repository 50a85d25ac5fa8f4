"""The house: imports only go down, what shall stay light stays light, files stay readable."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import REPOSITORY

PACKAGE = 'custom_modules'
# lowest first; an import from a room to itself or to a lower floor is fine
FLOORS = [
    'utils',
    'doctor preparation datasets',
    'models',
    'engine',
    'evaluation',
    'visualization',
    'eda analysis',
    'sweep benchmark gpu_check deploy reporting',
    'classification segmentation',
]
FLOOR = {room: number for number, rooms in enumerate(FLOORS) for room in rooms.split()}
# they stand on utils alone
ON_UTILS = ('preparation', 'doctor')
FILES = sorted((REPOSITORY / PACKAGE).rglob('*.py'))


def imported_modules(path: Path) -> set[str]:
    """Names of all that a file imports, anywhere in it; of ``from a import b`` both a and a.b."""
    package = path.relative_to(REPOSITORY).with_suffix('').parts[:-1]
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding='utf-8'))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            outer = package[: len(package) - node.level + 1] if node.level else ()
            base = '.'.join([*outer, *filter(None, [node.module])])
            names |= {base, *(f'{base}.{alias.name}' for alias in node.names)}
    return names


def room_of(path: Path) -> str:
    return path.relative_to(REPOSITORY / PACKAGE).with_suffix('').parts[0]


def links() -> dict[tuple[str, str], list[str]]:
    """Which room imports from which, and where."""
    found = {}
    for path in FILES:
        for name in imported_modules(path):
            parts = name.split('.')
            if parts[0] == PACKAGE and len(parts) > 1 and parts[1] != room_of(path):
                where = path.relative_to(REPOSITORY).as_posix()
                found.setdefault((room_of(path), parts[1]), []).append(where)
    return {link: sorted(set(where)) for link, where in found.items() if link[1] in FLOOR}


def test_no_import_runs_up():
    rooms = {room_of(path) for path in FILES} - {'__init__'}
    assert rooms <= set(FLOOR), f'give {rooms - set(FLOOR)} a floor in FLOORS'
    assert not {link: where for link, where in links().items() if FLOOR[link[1]] > FLOOR[link[0]]}
    assert not {link: where for link, where in links().items() if link[0] in ON_UTILS and link[1] != 'utils'}
    assert not [path for path in FILES if any(n.split('.')[0] == 'tools' for n in imported_modules(path))]


def test_no_two_rooms_import_each_other():
    graph = {}
    for start, end in links():
        graph.setdefault(start, set()).add(end)

    def reached(room: str) -> set[str]:
        seen, waiting = set(), [room]
        while waiting:
            new = graph.get(waiting.pop(), set()) - seen
            seen |= new
            waiting += new
        return seen

    assert not [room for room in graph if room in reached(room)]


def modules_of(room: str) -> list[str]:
    paths = (path.relative_to(REPOSITORY).with_suffix('') for path in FILES if room_of(path) == room)
    return ['.'.join(path.parts).removesuffix('.__init__') for path in paths]


@pytest.mark.parametrize(
    ('modules', 'unwanted'),
    [
        (modules_of('eda') + modules_of('preparation') + modules_of('utils'), ['torch']),
        (['custom_modules.classification'], ['mmseg']),
        (modules_of('preparation'), ['torch', 'mmengine', 'matplotlib']),
    ],
    ids=['looking at data needs no torch', 'a classifier needs no mmseg', 'preparation is plain'],
)
def test_what_an_import_brings_with_it(modules, unwanted):
    code = f'import sys\nfor name in {modules!r}: __import__(name)\nprint(*sys.modules)'
    done = subprocess.run([sys.executable, '-c', code], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    loaded = done.stdout.split('\n')[-2].split()
    assert set(modules) <= set(loaded)
    assert not set(unwanted) & set(loaded)


def test_a_segmentor_needs_no_mmpretrain():
    code = 'import sys; sys.modules["mmpretrain"] = None; import custom_modules.segmentation'
    subprocess.run([sys.executable, '-c', code], cwd=REPOSITORY, check=True)
