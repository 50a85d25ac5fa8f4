import os
from pathlib import Path

from custom_modules.preparation.synthetic.dataset import SyntheticSet
from custom_modules.utils.errors import UsageError

FOLDER = Path(__file__).resolve().parents[2] / 'data'


def synthetic_data(count: int) -> Path:
    """Render synthetic pairs of 720x480 to measure with, once, and make the configs read them.

    Args:
        count (int): How many. A core renders about one a second.

    Returns:
        Path: Their folder; ``MOON_DATA`` names it from now on.

    Raises:
        UsageError: If ``MOON_DATA`` names other data already.
    """
    folder = FOLDER / f'moon_benchmark_{count}'
    if os.environ.get('MOON_DATA') not in (None, str(folder)):
        raise UsageError(
            f'--data renders pairs, but MOON_DATA names {os.environ["MOON_DATA"]}: leave one of the two out.'
        )
    SyntheticSet(folder, count, (720, 480), seed=0).make(workers=os.cpu_count() or 1)
    os.environ['MOON_DATA'] = str(folder)
    return folder
