import json
from pathlib import Path

from custom_modules.engine.hooks.checkpointing import AtomicLocalBackend
from custom_modules.utils.tables import plain_values

from .benchmark_markdown import benchmark_markdown


def write_benchmark(results: dict, folder: Path) -> Path:
    """Write a benchmark's numbers and tables.

    Args:
        results (dict): ``command``, ``kind``, ``config``, ``machine``, ``settings``, ``left_out``, ``contestants``, ``ratios``.
        folder (Path): Where to; it is made.

    Returns:
        Path: The tables; the numbers lie beside them.
    """
    results = plain_values(results)
    put = AtomicLocalBackend().put
    numbers = json.dumps(results, allow_nan=False, indent=1)
    put(numbers.encode(), folder / f'{results["kind"]}.json')
    put(benchmark_markdown(results).encode(), folder / f'{results["kind"]}.md')
    return folder / f'{results["kind"]}.md'
