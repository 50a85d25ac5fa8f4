from pathlib import Path

from custom_modules.usage_error import UsageError

from .read_scalars import scalar_files


def run_config(path: Path) -> tuple:
    """Read the config that a run was trained with, as it lies in its work dir.

    Args:
        path (Path): The work dir.

    Returns:
        tuple[str, mmengine.Config]: The experiment's name, and the config of the run's latest start. Of one that was
        resumed, ``load_from`` is that of the start before: where it went on from is its own checkpoint.

    Raises:
        UsageError: If the folder holds no config or several, or it cannot be read.
    """
    configs = sorted(path.glob('*.py'))
    if len(configs) != 1:
        raise UsageError(
            f'{path} is not the work dir of one run, which holds one config, the one that it ran with; found {len(configs)}: '
            'give the folder that tools/train.py wrote.'
        )
    # tools/test.py may have replaced the config in the work dir; the one beside the scalars is the training's
    beside = (file.with_name('config.py') for file in reversed(scalar_files(path)))
    own = [file for file in beside if file.is_file()] or configs
    cfg = _read(own[0])
    for earlier in own[1:]:
        if not cfg.get('resume'):
            break
        before = _read(earlier)
        cfg.resume, cfg.load_from = before.get('resume', False), before.get('load_from')
    return configs[0].stem, cfg


def _read(path: Path):
    from mmengine.config import Config

    try:
        return Config.fromfile(path)
    except Exception as error:
        # a config is a program: it can fail in any way
        raise UsageError(
            f'{path} cannot be read ({type(error).__name__}: {error}): train anew.'
        ) from error
