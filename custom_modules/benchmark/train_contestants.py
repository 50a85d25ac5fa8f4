from collections.abc import Sequence
from pathlib import Path

from mmengine.config import Config

from .contestant import Contestant
from .levers import pull
from .play_limit import play_limit
from .play_runner import play_runner
from .play_smp import play_smp
from .smp_left_out import smp_left_out
from .smp_settings import smp_settings
from .stock_config import stock_config


def train_contestants(
    cfg: Config, folder: Path, epochs: int, workers: int
) -> tuple[list[Contestant], dict[str, str]]:
    """List who trains against a config.

    Args:
        cfg (Config): The config, as :func:`benchmark_config` gives it.
        folder (Path): For checkpoints and logs.
        epochs (int): Turns of each contestant.
        workers (int): Worker processes of each loader of the contestants other than the config.

    Returns:
        tuple[list[Contestant], dict[str, str]]: The contestants, the config first, and why others are left out.
    """
    cfg = _with_epochs(cfg, epochs)
    library = 'MMPretrain' if cfg.default_scope == 'mmpretrain' else 'MMSegmentation'
    found = [
        _runner('project', 'the config as it is, through tools/train.py', cfg, folder),
        _runner(
            'stock', f'the same network in plain {library}', stock_config(cfg, workers), folder
        ),
        Contestant(
            'limit',
            'the same network in a bare loop over tensors in memory',
            play_limit,
            (cfg.to_dict(),),
        ),
    ]
    left_out = smp_left_out(cfg)
    if left_out is not None:
        return found, left_out
    title = 'U-Net of segmentation-models-pytorch of nearest size, plain loop'
    args = (smp_settings(cfg, workers), str(folder / 'smp'))
    return [*found, Contestant('smp', title, play_smp, args)], {}


def lever_contestants(
    cfg: Config, folder: Path, epochs: int, levers: Sequence[str]
) -> list[Contestant]:
    """List a config as it is, and with one lever after the other the other way.

    The last is the config as it is once more: how far its ratio is from 1 is what the machine does by itself.

    Args:
        cfg (Config): The config, as :func:`benchmark_config` gives it.
        folder (Path): For checkpoints and logs.
        epochs (int): Turns of each contestant.
        levers (Sequence[str]): Keys of ``levers.LEVERS``.

    Raises:
        UsageError: If a lever does not fit the config.
    """
    cfg = _with_epochs(cfg, epochs)
    found = [_runner('project', 'the config as it is', cfg, folder)]
    for lever in levers:
        name, other = pull(cfg, lever)
        found.append(_runner(name, f'the config {name.replace("_", " ")}', other, folder))
    control = 'the config as it is, a second time: its ratio is the noise of this table'
    return [*found, _runner('unchanged', control, cfg, folder)]


def _with_epochs(cfg: Config, epochs: int) -> Config:
    cfg = Config(cfg.to_dict())
    cfg.train_cfg.max_epochs = epochs
    cfg.train_cfg.val_interval = 1
    return cfg


def _runner(name: str, title: str, cfg: Config, folder: Path) -> Contestant:
    cfg = Config(cfg.to_dict())
    cfg.work_dir = (folder / name.replace(' ', '_')).as_posix()
    cfg.experiment_name = name.replace(' ', '_')
    return Contestant(name, title, play_runner, (cfg.to_dict(),))
