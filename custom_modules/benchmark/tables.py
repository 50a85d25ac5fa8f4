"""Medians, ratios and tables of what was measured."""

import os
from collections.abc import Sequence
from datetime import datetime, timezone
from importlib.metadata import distributions
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from custom_modules.utils.machine import available_cores
from custom_modules.utils.tables import text_table

from .measuring import PARTS

PACKAGES = 'onedl-mmengine onedl-mmcv onedl-mmpretrain onedl-mmsegmentation opencv-python numpy'


def machine_facts(threads: int) -> dict[str, str]:
    """Describe the machine and the software that numbers were measured with; ``threads`` are torch's."""
    info, gpu, named = Path('/proc/cpuinfo'), 'none', set(PACKAGES.split())
    lines = info.read_text().splitlines() if info.exists() else []
    models = [line.split(':', 1)[1].strip() for line in lines if line.startswith('model name')]
    if torch.cuda.is_available():
        # with TF32 a GPU's float32 convolutions round their inputs to 10 bits
        gpu = f'{torch.cuda.get_device_name()}, TF32 {torch.backends.cudnn.allow_tf32}'
    found = {one.metadata['Name']: one.version for one in distributions()}
    return dict(
        date=datetime.now(timezone.utc).isoformat(timespec='seconds'),
        cpu=(models or ['unknown'])[0],
        cores=f'{available_cores()}, {threads} threads',
        # what other programs did: above 0.5 times are too long and ratios rough
        load_before=f'{os.getloadavg()[0]:.1f}',
        gpu=gpu,
        torch=f'{torch.__version__}, {torch.backends.cpu.get_cpu_capability()}',
        packages=', '.join(f'{k} {v}' for k, v in sorted(found.items()) if k in named),
    )


def summarize(facts: dict[str, dict], rounds: dict[str, list[dict]]) -> dict[str, dict]:
    """Turn the facts and rounds of :func:`run_rounds` into medians and ratios.

    Returns:
        dict[str, dict]: For each contestant its facts, ``seconds`` of each kind (``median``, ``q1``, ``q3``, ``n``),
        ``images_per_second`` at the median, ``ratio``, its median divided by the first's (above 1 the first is faster),
        ``memory_mib`` (at the end), of training ``split_ms``, ``iteration_ms`` and ``data_share``, and all ``rounds``.
    """
    contestants = {}
    for name, mine in rounds.items():
        counted = [one for one in mine if not one['warm_up'] and not one['split']]
        images, seconds = counted[0]['images'], {}
        for kind in counted[0]['seconds']:
            values = [one['seconds'][kind] for one in counted]
            q1, median, q3 = (float(value) for value in np.percentile(values, [25, 50, 75]))
            seconds[kind] = dict(median=median, q1=q1, q3=q3, n=len(values))
        first = next(iter(contestants.values()), dict(seconds=seconds))['seconds']
        found = facts[name] | dict(seconds=seconds, images=images, rounds=mine)
        found['images_per_second'] = {k: images[k] / s['median'] for k, s in seconds.items()}
        found['ratio'] = {k: s['median'] / first[k]['median'] for k, s in seconds.items()}
        found['memory_mib'] = mine[-1]['memory_mib']
        if 'split_ms' in counted[0]:
            # a GPU's parts come from rounds of their own; waiting is what the main process does in those that count
            parts = [one for one in mine if one['split']] or counted
            split = pd.DataFrame([one['split_ms'] for one in parts]).mean().to_dict()
            found['split_ms'] = split
            found['iteration_ms'] = float(np.mean([one['iteration_ms'] for one in parts]))
            waited = sum(one['split_ms']['data'] for one in counted)
            found['data_share'] = waited / sum(one['iteration_ms'] for one in counted)
        contestants[name] = found
    return contestants


def markdown(title: str, facts: dict, found: dict[str, dict]) -> str:
    """Lay out a benchmark in Markdown: what was measured where, and the tables of :func:`summarize`."""
    return '\n\n'.join([title, facts_line(facts), *contestant_tables(found)]) + '\n'


def contestant_tables(found: dict[str, dict]) -> list[str]:
    """Lay out what :func:`summarize` gives: times, parts of an iteration, and the networks."""
    first = next(iter(found))
    heads = ['contestant', 'what', 'seconds', 'quartiles', 'images/s', f'{first} is faster by']
    rows = [
        [f'{name}, {one["precision"]}', kind.replace('_', ', batch '), f'{s["median"]:.4g}']
        + [f'{s["q1"]:.4g} to {s["q3"]:.4g}', one['images_per_second'][kind], one['ratio'][kind]]
        for name, one in found.items()
        for kind, s in one['seconds'].items()
    ]
    blocks = [table(heads, rows)]
    if 'split_ms' in found[first]:
        rows = [
            [name, *one['split_ms'].values(), one['iteration_ms'], 100 * one['data_share']]
            for name, one in found.items()
        ]
        blocks.append(table(['ms/iteration', *PARTS, 'all', 'waiting, %'], rows))
    heads = ['contestant', 'parameters', 'GMAC/image', 'peak MiB', 'GPU MiB', 'what it is']
    rows = [
        [name, one['parameters'], one['gmac'], *one['memory_mib'].values(), one['title']]
        for name, one in found.items()
    ]
    return [*blocks, table(heads, rows)]


def facts_line(facts: dict) -> str:
    """Say in one line what a dict holds, such as :func:`machine_facts`."""
    return '; '.join(f'{name} {value}' for name, value in facts.items()) + '.'


def table(columns: Sequence[str], rows: Sequence[Sequence]) -> str:
    """Lay out a table in Markdown."""
    # the first line of a text table is its title
    return text_table('', columns, rows).split('\n', 1)[1]
