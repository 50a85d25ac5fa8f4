from collections.abc import Sequence

from .spread import spread
from .stopwatch import PARTS


def train_summary(facts: dict[str, dict], turns: dict[str, list[dict]]) -> tuple[dict, dict]:
    """Turn the turns of a training benchmark into medians and ratios.

    Args:
        facts (dict[str, dict]): What each contestant is; the first is the one that the others are compared with.
        turns (dict[str, list[dict]]): Of :func:`in_turn`.

    Returns:
        tuple[dict, dict]: For each contestant: facts, ``seconds`` (of a whole epoch), ``train_seconds`` and ``val_seconds`` as
        :func:`spread`, ``images_per_second`` (training images over the median of ``train_seconds``), ``split_ms``
        (means, which add up), ``data_share``, ``memory_mib`` (the largest), ``epochs`` (all turns). For each other
        contestant the ratios of :func:`ratios`.
    """
    contestants = {name: _contestant(facts[name], turns[name]) for name in facts}
    return contestants, ratios(turns, 'seconds', 'train_seconds')


def ratios(turns: dict[str, list[dict]], *keys: str) -> dict[str, dict]:
    """Compare the first contestant with the others.

    Args:
        turns (dict[str, list[dict]]): Of :func:`in_turn`.
        *keys (str): The times to compare.

    Returns:
        dict[str, dict]: For each other contestant and key: ``ratio``, its median time divided by that of the first (above 1 the
        first is faster), and ``rounds``, the spread of the same quotient taken round by round.
    """
    first, *others = turns
    found = {}
    for name in others:
        found[name] = {}
        for key in keys:
            mine, theirs = ([turn[key] for turn in timed(turns[n])] for n in (first, name))
            quotients = [b / a for a, b in zip(mine, theirs, strict=True)]
            found[name][key] = dict(
                ratio=spread(theirs)['median'] / spread(mine)['median'], rounds=spread(quotients)
            )
    return found


def timed(turns: Sequence[dict]) -> list[dict]:
    """Leave out the turns whose time does not count."""
    return [turn for turn in turns if not turn['warm_up'] and not turn['split']]


def _contestant(facts: dict, turns: list[dict]) -> dict:
    counted = timed(turns)
    times = {
        k: spread([t[k] for t in counted]) for k in ('seconds', 'train_seconds', 'val_seconds')
    }
    images = counted[0]['train_images']
    # a GPU's parts come from turns of their own
    measured = [t for t in turns if t['split']] or counted
    measured = [t for t in measured if t['split_ms'] is not None]
    split = {p: sum(t['split_ms'][p] for t in measured) / len(measured) for p in PARTS}
    whole = sum(t['iteration_ms']['mean'] for t in measured) / len(measured)
    memory = largest_memory(turns)
    return facts | dict(
        train_images=images,
        val_images=counted[0]['val_images'],
        **times,
        images_per_second=images / times['train_seconds']['median'],
        split_ms=split,
        iteration_ms=dict(
            mean=whole, of_epochs=spread([t['iteration_ms']['median'] for t in measured])
        ),
        data_share=split['data'] / whole,
        memory_mib=memory,
        epochs=turns,
    )


def largest_memory(turns: Sequence[dict]) -> dict[str, float | None]:
    """Take the largest of each number of :func:`peak_memory`.

    Args:
        turns (Sequence[dict]): Of :func:`in_turn`.
    """
    found = {}
    for key in turns[0]['memory_mib']:
        known = [turn['memory_mib'][key] for turn in turns if turn['memory_mib'][key] is not None]
        found[key] = max(known) if known else None
    return found
