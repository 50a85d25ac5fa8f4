from collections.abc import Sequence

import numpy as np
from mmengine.config import Config

from .contestant import Contestant
from .play_infer import play_config_infer, play_limit_infer, play_smp_infer
from .smp_left_out import smp_left_out
from .smp_settings import smp_settings
from .spread import spread
from .stock_config import stock_config
from .train_summary import largest_memory, timed


def infer_contestants(
    cfg: Config, checkpoint: str | None, batches: Sequence[int], images: int
) -> tuple[list[Contestant], dict[str, str]]:
    """List who predicts against a config.

    Args:
        cfg (Config): The config, as :func:`benchmark_config` gives it.
        checkpoint (str, optional): Its weights.
        batches (Sequence[int]): Batch sizes.
        images (int): Images of each turn and batch size.

    Returns:
        tuple[list[Contestant], dict[str, str]]: The contestants, the config first, and why others are left out.
    """
    sizes = (tuple(batches), images)
    found = []
    for name, title, config, play in (
        ('project', 'the config as it is, scored at load_size', cfg, play_config_infer),
        (
            'stock',
            'the same network in plain MMSegmentation, scored at the original size',
            stock_config(cfg, 0),
            play_config_infer,
        ),
        (
            'limit',
            'the same network, channels-last, from tensors in memory to class indices',
            cfg,
            play_limit_infer,
        ),
    ):
        args = (config.to_dict(), checkpoint, *sizes)
        found.append(Contestant(name, title, play, args))
    left_out = smp_left_out(cfg)
    if left_out is not None:
        return found, left_out
    title = 'U-Net of segmentation-models-pytorch of nearest size'
    return [*found, Contestant('smp', title, play_smp_infer, (smp_settings(cfg, 0), *sizes))], {}


def infer_summary(facts: dict[str, dict], turns: dict[str, list[dict]]) -> tuple[dict, dict]:
    """Turn the turns of an inference benchmark into medians and ratios.

    Args:
        facts (dict[str, dict]): What each contestant is; the first is the one that the others are compared with.
        turns (dict[str, list[dict]]): Of :func:`in_turn`.

    Returns:
        tuple[dict, dict]: For each contestant and each of ``network_1``, ``files_1``, ...: ``latency_ms`` (:func:`spread` with
        ``p95``) of a batch, and ``images_per_second`` at the median; ``memory_mib`` (the largest). For each other contestant
        the quotients of the median latencies of what it has.
    """
    contestants, found = {}, {}
    for name, mine in turns.items():
        contestants[name] = dict(facts[name], memory_mib=largest_memory(mine))
        for kind in mine[0]['latencies']:
            pooled = [1000 * s for turn in timed(mine) for s in turn['latencies'][kind]]
            latency = spread(pooled) | dict(p95=float(np.percentile(pooled, 95)))
            rate = 1000 * int(kind.split('_')[1]) / latency['median']
            contestants[name][kind] = dict(latency_ms=latency, images_per_second=rate)
        contestants[name]['turns'] = mine
    first, *others = turns
    for name in others:
        found[name] = {}
        for kind in turns[name][0]['latencies']:
            mine, theirs = (contestants[n][kind]['latency_ms']['median'] for n in (first, name))
            medians = [
                [float(np.median(turn['latencies'][kind])) for turn in timed(turns[n])]
                for n in (first, name)
            ]
            quotients = [b / a for a, b in zip(*medians, strict=True)]
            found[name][kind] = dict(ratio=theirs / mine, rounds=spread(quotients))
    return contestants, found
