from .stopwatch import PARTS


def train_rows(results: dict) -> list[tuple[list[str], list[list]]]:
    """Make the tables of a training benchmark: times, parts of an iteration, ratios.

    Args:
        results (dict): As in the JSON file.

    Returns:
        list[tuple[list[str], list[list]]]: Heads and rows of each table.
    """
    found = results['contestants']
    times, parts = [], []
    for name, one in found.items():
        seconds, memory = one['seconds'], one['memory_mib']
        times.append(
            [
                name,
                seconds['median'],
                seconds['iqr'],
                one['val_seconds']['median'],
                one['images_per_second'],
                _whole(memory['main']),
                _whole(memory['workers']),
                _whole(memory['gpu']),
                f'{one["parameters"]:,}',
                one['gmac'],
            ]
        )
        parts.append(
            [
                name,
                one['iteration_ms']['mean'],
                *(one['split_ms'][part] for part in PARTS),
                100 * one['data_share'],
            ]
        )
    quotients = [
        [
            name,
            *(
                value
                for key in ('seconds', 'train_seconds')
                for value in (ratio[key]['ratio'], _range(ratio[key]['rounds']))
            ),
        ]
        for name, ratio in results['ratios'].items()
    ]
    first = next(iter(found))
    return [
        (
            [
                'contestant',
                's/epoch (median)',
                'IQR',
                'of it validation',
                'images/s (training)',
                'peak MiB',
                'workers MiB',
                'GPU MiB',
                'parameters',
                'GMAC/image',
            ],
            times,
        ),
        (['ms/iteration (means)', 'all', *PARTS, 'waiting for data %'], parts),
        (
            [
                f'{first} is so many times as fast as',
                'whole epochs',
                'quartiles of the rounds',
                'training only',
                'quartiles',
            ],
            quotients,
        ),
    ]


def _whole(value: float | None) -> int | None:
    return None if value is None else round(value)


def _range(rounds: dict) -> str:
    return f'{rounds["q1"]:.2f} to {rounds["q3"]:.2f}'
