from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path

from custom_modules.utils.errors import UsageError

from .factor import Factor, combinations
from .planned_run import PlannedRun
from .require_data import require_data


def plan_sweep(
    configs: Sequence[str | Path],
    seeds: Sequence[int],
    root: str | Path,
    options: Sequence[str] = (),
    factors: Sequence[Factor] = (),
) -> list[PlannedRun]:
    """Lay out the trainings of a sweep, and read every config with its options, before anything starts.

    Args:
        configs (Sequence[str | Path]): The configs' files.
        seeds (Sequence[int]): The seeds.
        root (str | Path): The folder of all work dirs, which are ``<root>/<config's name>__<key>_<value>/seed_<seed>``.
        options (Sequence[str]): Settings of all runs, as ``KEY=VALUE``.
        factors (Sequence[Factor]): Settings that are varied.

    Returns:
        list[PlannedRun]: First every config with the first seed, so that a sweep that is broken off can be compared.

    Raises:
        UsageError: If a config or an option cannot be read, two configs would share a folder, or something is there twice.
    """
    if min(seeds) < 0 or len(set(seeds)) < len(seeds):
        raise UsageError(
            f'--seeds takes different numbers from 0 on, got {" ".join(map(str, seeds))}.'
        )
    given = list(_pairs(options))
    for key in given:
        if key in [factor.key for factor in factors]:
            raise UsageError(f'{key} is set by --cfg-options and by --vary: leave it out of one.')
    for key in [*given, *(factor.key for factor in factors)]:
        if key in ('randomness', 'randomness.seed', 'work_dir'):
            raise UsageError(f'a sweep sets {key} by itself: use --seeds and --work-dir.')
    arms, origin = [], {}
    for config in dict.fromkeys(Path(config) for config in configs):
        for suffix, varied in combinations(factors):
            name = config.stem + suffix
            if name in origin:
                raise UsageError(
                    f'{origin[name]} and {config} would both be written to {Path(root) / name}: give their files or the '
                    'varied values different names, or sweep them into different folders with --work-dir.'
                )
            origin[name] = config
            arms.append((config, name, (*options, *varied), _read(config, (*options, *varied))))
    return [
        PlannedRun(config, name, seed, Path(root) / name / f'seed_{seed}', own, cfg)
        for seed in seeds
        for config, name, own, cfg in arms
    ]


def _pairs(options: Sequence[str]) -> dict:
    from custom_modules.engine.config import ConfigOptions

    return dict(ConfigOptions.pair(option) for option in options)


def _read(config: Path, options: Sequence[str]):
    from custom_modules.engine.config import load_config
    from custom_modules.engine.config_checks import (
        require_matching_classes,
        require_one_augmentation,
        require_unpadded,
    )

    with_options = f' with {" ".join(options)}' if options else ''
    try:
        cfg = load_config(
            Namespace(
                config=config,
                cfg_options=_pairs(options),
                work_dir=None,
                launcher='none',
                local_rank=0,
            )
        )
        require_matching_classes(cfg)
        require_one_augmentation(cfg)
        require_unpadded(cfg)
        if cfg.get('default_scope') == 'mmseg':
            require_data(cfg)
    except UsageError as error:
        raise UsageError(f'{config}{with_options}: {error}') from error
    except Exception as error:
        # a config is a program: it can fail in any way
        reason = str(error).split('\n')[0]
        raise UsageError(
            f'{config}{with_options} cannot be read ({type(error).__name__}: {reason}): mend it, or the options.'
        ) from error
    epochs = (cfg.get('train_cfg') or {}).get('max_epochs')
    if not isinstance(epochs, int):
        raise UsageError(
            f'{config}{with_options} is not trained by epochs (train_cfg.max_epochs is {epochs!r}), so that a sweep cannot '
            'tell when it is finished: leave it out, or give it a number.'
        )
    return cfg
