"""The layers of packages: imports only go down, and what shall stay light stays light."""

import ast
from collections.abc import Iterator
from importlib.util import resolve_name
from pathlib import Path

from conftest import REPOSITORY, run_python

PACKAGE = 'custom_modules'
# lowest first; packages of one layer do not import each other, so there is no cycle
LAYERS = [
    *('utils', 'doctor preparation datasets', 'models', 'engine', 'evaluation', 'visualization', 'eda analysis'),
    *('deploy reporting', 'benchmark sweep', 'gpu_check', 'classification segmentation'),
]
LAYER = {package: number for number, packages in enumerate(LAYERS) for package in packages.split()}
ON_UTILS = ('preparation', 'doctor')  # they stand on it alone
FILES = {p: p.relative_to(REPOSITORY).with_suffix('').parts for p in sorted((REPOSITORY / PACKAGE).rglob('*.py'))}


def imported_modules(path: Path) -> Iterator[str]:
    """Names of all that a file imports, anywhere in it; of ``from a import b`` a.b."""
    package = '.'.join(FILES[path][:-1])
    for node in ast.walk(ast.parse(path.read_text(encoding='utf-8'))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = resolve_name('.' * node.level + (node.module or ''), package)
            yield from (f'{base}.{alias.name}' for alias in node.names)


def test_imports_only_run_down():
    packages = {package for _, package, *_ in FILES.values()} - {'__init__'}
    assert packages <= set(LAYER), f'give {packages - set(LAYER)} a layer in LAYERS'
    for path, (_, own, *_) in FILES.items():
        imported = [name.split('.') for name in imported_modules(path)]
        others = {parts[1] for parts in imported if parts[0] == PACKAGE and len(parts) > 1} & packages - {own}
        assert all(LAYER[package] < LAYER[own] for package in others), (path, others)
        assert own not in ON_UTILS or others <= {'utils'}, (path, others)
        assert 'tools' not in {parts[0] for parts in imported}, path


def test_what_an_import_brings_with_it():
    """Looking at data needs no torch, and preparation is plain."""
    for packages, unwanted in ((('eda', 'utils'), ['torch']), (('preparation',), ['torch', 'mmengine', 'matplotlib'])):
        modules = ['.'.join(parts).removesuffix('.__init__') for parts in FILES.values() if parts[1] in packages]
        code = f'import sys\nfor name in {modules!r}: __import__(name)\nprint(*sys.modules)'
        loaded = run_python('-c', code).stdout.split('\n')[-2].split()
        assert set(modules) <= set(loaded) and not set(unwanted) & set(loaded)
