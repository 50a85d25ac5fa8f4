import json
from pathlib import Path

from custom_modules.engine import AtomicLocalBackend

from .analysis_pictures import analysis_pictures
from .analysis_text import analysis_text
from .plain_values import plain_values

FILES = ('analysis.md', 'analysis.json', 'images.csv')


def write_analysis(run: dict, results: dict, folder: Path) -> Path:
    """Write an analysis: a text with its pictures, all numbers, and a table of the images.

    Args:
        run (dict): What was analysed: ``config``, ``checkpoint``, ``part``, ``size``, ``threshold``, ``tolerance``.
        results (dict): Of :class:`ErrorAnalysis`, with ``thresholds`` of :func:`threshold_choice` or None.
        folder (Path): Where to; it is made.

    Returns:
        Path: The text.
    """
    put = AtomicLocalBackend().put
    for name, picture in analysis_pictures(results).items():
        put(picture, folder / name)
    put(results['images'].to_csv(index=False).encode(), folder / 'images.csv')
    numbers = json.dumps(plain_values(run | results), allow_nan=False, indent=1)
    put(numbers.encode(), folder / 'analysis.json')
    # last: who finds it finds the rest
    put(analysis_text(run, results).encode(), folder / 'analysis.md')
    return folder / 'analysis.md'
