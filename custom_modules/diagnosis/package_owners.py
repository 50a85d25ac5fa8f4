from importlib.metadata import distributions
from typing import NamedTuple


class Owner(NamedTuple):
    """A distribution that brings a package."""

    folder: str
    name: str
    version: str


def package_owners(imported: tuple[str, ...]) -> dict[str, list[Owner]]:
    """Find the distributions that bring each package, in the order of the path.

    ``importlib.metadata.packages_distributions`` knows this too, but under Python 3.10 only of packages with
    a ``top_level.txt``.

    Args:
        imported (tuple[str]): The packages, by their names in Python.

    Returns:
        dict[str, list[Owner]]: Nothing for a package that no distribution brings.
    """
    owners = {}
    for distribution in distributions():
        # leftovers of an interrupted pip have a folder without these
        if not (name := distribution.metadata['Name']):
            continue
        owner = Owner(str(distribution.locate_file('')), name, distribution.version)
        names = (distribution.read_text('top_level.txt') or '').split()
        files = distribution.read_text('RECORD') or '' if not names else ''
        for package in imported:
            if package in names or f'\n{package}/__init__.py,' in f'\n{files}':
                listed = owners.setdefault(package, [])
                # a folder may be on the path twice
                listed += [owner] if owner not in listed else []
    return owners
