"""Medians, ratios and tables of what was measured."""

import os
import platform
from collections.abc import Sequence
from datetime import datetime, timezone
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np
import torch

from custom_modules.utils.machine import available_cores
from custom_modules.utils.tables import text_table

from .measuring import PARTS

PACKAGES = (
    'torchvision',
    'onedl-mmengine',
    'onedl-mmcv',
    'onedl-mmpretrain',
    'onedl-mmsegmentation',
    'opencv-python',
    'numpy',
    'segmentation-models-pytorch',
)


def machine_facts(threads: int) -> dict:
    """Describe the machine and the software that numbers were measured with; ``threads`` are torch's."""
    info = Path('/proc/cpuinfo')
    lines = info.read_text().splitlines() if info.exists() else []
    models = [line.split(':', 1)[1].strip() for line in lines if line.startswith('model name')]
    versions = {}
    for name in PACKAGES:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            continue
    return dict(
        cpu=models[0] if models else platform.processor() or platform.machine(),
        cores=available_cores(),
        # what other programs did when it began
        load=os.getloadavg()[0] if hasattr(os, 'getloadavg') else None,
        threads=threads,
        gpu=torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        torch=f'{torch.__version__}, {torch.backends.cpu.get_cpu_capability()}, CUDA {torch.version.cuda}',
        # a GPU's float32 convolutions round their inputs to 10 bits
        tf32=torch.backends.cudnn.allow_tf32,
        python=platform.python_version(),
        versions=versions,
        date=datetime.now(timezone.utc).isoformat(timespec='seconds'),
    )


def spread(values: Sequence[float]) -> dict[str, float | int]:
    """Describe repeated measurements by what one slow moment does not change.

    Example:
        >>> spread([4.0, 1.0, 2.0, 3.0, 100.0])
        {'median': 3.0, 'q1': 2.0, 'q3': 4.0, 'n': 5}
    """
    q1, median, q3 = (float(value) for value in np.percentile(values, [25, 50, 75]))
    return dict(median=median, q1=q1, q3=q3, n=len(values))


def summarize(facts: dict[str, dict], rounds: dict[str, list[dict]]) -> tuple[dict, dict]:
    """Turn the rounds of a benchmark into medians and ratios.

    Args:
        facts (dict[str, dict]): What each contestant is; the first is the one that the others are compared with.
        rounds (dict[str, list[dict]]): Of :func:`run_rounds`.

    Returns:
        tuple[dict, dict]: For each contestant its facts, ``seconds`` of each kind (:func:`spread`), ``images_per_second`` at the
        median, ``memory_mib`` (the largest), of training ``split_ms``, ``iteration_ms`` and ``data_share``, and all ``rounds``. For
        each other contestant and kind: ``ratio``, its median divided by the first's (above 1 the first is faster), and
        ``rounds``, the spread of the same quotient round by round.
    """
    contestants, ratios, timed = {}, {}, {}
    for name, mine in rounds.items():
        counted = [one for one in mine if not one['warm_up'] and not one['split']]
        kinds = counted[0]['seconds']
        timed[name] = {kind: [one['seconds'][kind] for one in counted] for kind in kinds}
        seconds = {kind: spread(values) for kind, values in timed[name].items()}
        images = counted[0]['images']
        memory = {}
        for key in mine[0]['memory_mib']:
            known = [one['memory_mib'][key] for one in mine if one['memory_mib'][key] is not None]
            memory[key] = max(known, default=None)
        contestants[name] = facts[name] | dict(
            seconds=seconds,
            images=images,
            images_per_second={kind: images[kind] / s['median'] for kind, s in seconds.items()},
            memory_mib=memory,
            **_split(mine, counted),
            rounds=mine,
        )
    first = next(iter(rounds))
    for name in [name for name in rounds if name != first]:
        ratios[name] = {}
        for kind, values in timed[name].items():
            pairs = zip(values, timed[first][kind], strict=True)
            medians = [contestants[n]['seconds'][kind]['median'] for n in (name, first)]
            quotients = spread([theirs / ours for theirs, ours in pairs])
            ratios[name][kind] = dict(ratio=medians[0] / medians[1], rounds=quotients)
    return contestants, ratios


def _split(rounds: list[dict], counted: list[dict]) -> dict:
    if 'split_ms' not in counted[0]:
        return {}
    # a GPU's parts come from rounds of their own; waiting is what the main process does in those that count
    measured = [one for one in rounds if one['split']] or counted
    return dict(
        split_ms={p: float(np.mean([one['split_ms'][p] for one in measured])) for p in PARTS},
        iteration_ms=float(np.mean([one['iteration_ms'] for one in measured])),
        data_share=sum(one['split_ms']['data'] for one in counted)
        / sum(one['iteration_ms'] for one in counted),
    )


def markdown(results: dict) -> str:
    """Lay out a benchmark in Markdown: what was measured where, and tables of at most six columns.

    Args:
        results (dict): As in the JSON file.
    """
    found, ratios = results['contestants'], results['ratios']
    lines = [
        f'`{results["command"]}`, {machine_line(results["machine"])}',
        'Settings: ' + ', '.join(f'{k} {v}' for k, v in results['settings'].items()) + '.',
        *results['left_out'],
    ]
    kinds = list(next(iter(found.values()))['seconds'])
    heads = ['contestant', 'precision', 'what', 'seconds (median)', 'quartiles', 'images/s']
    rows = [
        [
            name,
            one['precision'],
            kind.replace('_', ', batch '),
            f'{one["seconds"][kind]["median"]:.4g}',
            _range(one['seconds'][kind], '.4g'),
            one['images_per_second'][kind],
        ]
        for name, one in found.items()
        for kind in kinds
    ]
    blocks = ['\n'.join(lines), table(heads, rows)]
    if 'split_ms' in next(iter(found.values())) and len(found) < 6:
        rows = [[p, *(one['split_ms'][p] for one in found.values())] for p in PARTS]
        rows.append(['all', *(one['iteration_ms'] for one in found.values())])
        share = [f'{100 * one["data_share"]:.1f} %' for one in found.values()]
        blocks.append(table(['ms/iteration', *found], [*rows, ['waiting for data', *share]]))
    kinds = [kind for kind in kinds if kind != 'validation']
    rows = [
        [
            name,
            kind.replace('_', ', batch '),
            one[kind]['ratio'],
            _range(one[kind]['rounds'], '.2f'),
        ]
        for name, one in ratios.items()
        for kind in kinds
    ]
    first = next(iter(found))
    blocks.append(table([f'{first} is so many times as fast as', 'in', 'ratio', 'quartiles'], rows))
    heads = ['contestant', 'parameters', 'GMAC/image', 'peak MiB', 'workers MiB', 'GPU MiB']
    rows = [
        [
            name,
            f'{one["parameters"]:,}',
            one['gmac'],
            *(None if v is None else round(v) for v in one['memory_mib'].values()),
        ]
        for name, one in found.items()
    ]
    blocks.append(table(heads, rows))
    blocks.append('\n'.join(f'- **{name}**: {one["title"]}' for name, one in found.items()))
    return '\n\n'.join(blocks) + '\n'


def machine_line(machine: dict) -> str:
    """Say in one line where numbers were measured; see :func:`machine_facts`."""
    gpu = (
        f', {machine["gpu"]} (TF32 {"on" if machine["tf32"] else "off"})' if machine['gpu'] else ''
    )
    versions = ', '.join(f'{name} {value}' for name, value in machine['versions'].items())
    busy = (machine['load'] or 0) > 0.5
    note = ' It was busy when it began: times are too long, ratios rough.' if busy else ''
    return (
        f'{machine["date"]}: {machine["cpu"]}, {machine["cores"]} cores, {machine["threads"]} threads{gpu}; torch '
        f'{machine["torch"]}; Python {machine["python"]}; {versions}.{note}'
    )


def table(columns: Sequence[str], rows: Sequence[Sequence]) -> str:
    """Lay out a table in Markdown."""
    # the first line of a text table is its title
    return text_table('', columns, rows).split('\n', 1)[1]


def _range(values: dict, form: str) -> str:
    return f'{values["q1"]:{form}} to {values["q3"]:{form}}'
