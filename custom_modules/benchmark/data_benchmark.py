from mmengine.config import Config

from .contestant import Contestant
from .play_data import play_data
from .play_limit_data import play_limit_data
from .play_smp_data import play_smp_data
from .smp_left_out import smp_left_out
from .smp_settings import smp_settings
from .spread import spread
from .stock_config import stock_config
from .train_summary import largest_memory


def data_contestants(cfg: Config, workers: int) -> tuple[list[Contestant], dict[str, str]]:
    """List the loaders: the config's and others', with workers and without, and the limit.

    Args:
        cfg (Config): The config, as :func:`benchmark_config` gives it.
        workers (int): Worker processes of the other loaders.

    Returns:
        tuple[list[Contestant], dict[str, str]]: The loaders, the config's first, and why others are left out.
    """
    stock = stock_config(cfg, workers)
    own = cfg.train_dataloader.get('num_workers', 0)
    found = []
    for name, config, count in (('project', cfg, own), ('stock', stock, workers)):
        for number in dict.fromkeys((count, 0)):
            kind = 'alone' if number == 0 else 'workers'
            title = f"{name}'s training loader, {number} workers"
            args = (config.to_dict(), number)
            found.append(Contestant(f'{name}_{kind}', title, play_data, args))
    title = 'the same images as tensors in memory, shuffled and batched, no augmentation'
    found.append(Contestant('limit', title, play_limit_data, (cfg.to_dict(),)))
    left_out = smp_left_out(cfg)
    if left_out is not None:
        return found, left_out
    settings = smp_settings(cfg, workers)
    for number in dict.fromkeys((workers, 0)):
        kind = 'alone' if number == 0 else 'workers'
        title = f'a plain DataLoader of files, as for segmentation-models-pytorch, {number} workers'
        args = (settings | dict(workers=number),)
        found.append(Contestant(f'smp_{kind}', title, play_smp_data, args))
    return found, {}


def data_summary(facts: dict[str, dict], turns: dict[str, list[dict]]) -> tuple[dict, dict]:
    """Turn the turns of a data benchmark into medians and ratios.

    Args:
        facts (dict[str, dict]): What each contestant is.
        turns (dict[str, list[dict]]): Of :func:`in_turn`.

    Returns:
        tuple[dict, dict]: For each contestant: facts, ``build_seconds`` (which fill a cache), ``first_seconds`` and ``second_seconds`` (of an epoch) as :func:`spread`,
        ``first_images_per_second`` and ``second_images_per_second``, ``memory_mib`` (the largest), ``turns``. For each other loader its times divided by
        those of the project's loader with as many workers (or both with some); for the limit, by those of the project's first.
    """
    contestants, found = {}, {}
    for name, mine in turns.items():
        contestants[name] = dict(
            facts[name],
            images=mine[0]['images'],
            build_seconds=spread([turn['build_seconds'] for turn in mine]),
            memory_mib=largest_memory(mine),
        )
        for epoch in ('first', 'second'):
            times = spread([turn[f'{epoch}_seconds'] for turn in mine])
            contestants[name] |= {
                f'{epoch}_seconds': times,
                f'{epoch}_images_per_second': mine[0]['images'] / times['median'],
            }
        contestants[name]['turns'] = mine
    for name, other in contestants.items():
        kind = name.partition('_')[2]
        # the limit has no workers to compare by
        ours = f'project_{kind}' if kind else next(iter(contestants))
        if name.startswith('project') or ours not in contestants:
            continue
        found[name] = {}
        for epoch in ('first_seconds', 'second_seconds'):
            pairs = zip(turns[ours], turns[name], strict=True)
            found[name][epoch] = dict(
                ratio=other[epoch]['median'] / contestants[ours][epoch]['median'],
                rounds=spread([theirs[epoch] / mine[epoch] for mine, theirs in pairs]),
            )
    return contestants, found
