"""Medians, ratios and tables of the measurements."""

import json
from pathlib import Path

import pandas as pd

from custom_modules.utils.files import write_atomically
from custom_modules.utils.tables import json_values, markdown_table

from .training import PARTS


def summarize(facts: dict[str, dict], rounds: dict[str, list[dict]]) -> dict[str, dict]:
    """Summarize the facts and rounds of :func:`run_rounds` by medians and ratios.

    Returns for each contestant its facts, ``seconds`` of each activity (``median``, ``q1``, ``q3``, ``n``), ``images_per_second``
    at the median, ``ratio``, its median divided by the first's (above 1 the first is faster), ``memory_mib`` (at the end), for
    training ``split_ms``, ``iteration_ms`` and ``data_share``, and all ``rounds``.
    """
    contestants = {}
    for name, all_rounds in rounds.items():
        counted = [one for one in all_rounds if not one['warm_up']]
        quartiles = pd.DataFrame([one['seconds'] for one in counted]).quantile([0.25, 0.5, 0.75])
        seconds = {k: dict(median=m, q1=q1, q3=q3, n=len(counted)) for k, (q1, m, q3) in quartiles.items()}
        first = next(iter(contestants.values()))['seconds'] if contestants else seconds
        images = counted[0]['images']
        contestants[name] = found = facts[name] | dict(
            seconds=seconds,
            images=images,
            rounds=all_rounds,
            images_per_second={k: images[k] / s['median'] for k, s in seconds.items()},
            ratio={k: s['median'] / first[k]['median'] for k, s in seconds.items()},
            memory_mib=all_rounds[-1]['memory_mib'],
        )
        if 'split_ms' in counted[0]:
            parts = pd.DataFrame([one['split_ms'] for one in counted]).mean().to_dict()
            whole = sum(parts.values())
            found |= dict(split_ms=parts, iteration_ms=whole, data_share=parts['data'] / whole)
    return contestants


def facts_line(facts: dict) -> str:
    """Write a dict, such as :func:`machine_facts`, in one line."""
    return '; '.join(f'{name} {value}' for name, value in facts.items()) + '.'


def contestant_tables(found: dict[str, dict]) -> list[str]:
    """Lay out the result of :func:`summarize` in tables of the times, the parts of an iteration, and the networks."""
    first = next(iter(found))
    times, parts, networks = [], [], []
    for name, one in found.items():
        for kind, s in one['seconds'].items():
            shown = f'{s["median"]:.4g}', f'{s["q1"]:.4g} to {s["q3"]:.4g}', one['images_per_second'][kind]
            times.append([f'{name}, {one["precision"]}', kind.replace('_', ', batch '), *shown, one['ratio'][kind]])
        if 'split_ms' in one:
            # a GPU runs asynchronously, so that only the wait for data is known
            own = [ms if part == 'data' or one['device'] == 'cpu' else None for part, ms in one['split_ms'].items()]
            parts.append([name, *own, one['iteration_ms'], 100 * one['data_share']])
        networks.append([name, one['parameters'], one['gmac'], *one['memory_mib'].values(), one['title']])
    tables = {
        f'contestant|what|seconds|quartiles|images/s|{first} is faster by': times,
        f'ms/iteration|{"|".join(PARTS)}|all|waiting, %': parts,
        'contestant|parameters|GMAC/image|peak MiB|GPU MiB|what it is': networks,
    }
    return [markdown_table(pd.DataFrame(rows, columns=heads.split('|'))) for heads, rows in tables.items() if rows]


def write_results(target: Path, results: dict, text: str) -> None:
    """Write the results as ``.json`` and the tables as ``.md``."""
    write_atomically(target.with_suffix('.json'), json.dumps(json_values(results), allow_nan=False, indent=1).encode())
    write_atomically(target.with_suffix('.md'), text.encode())
