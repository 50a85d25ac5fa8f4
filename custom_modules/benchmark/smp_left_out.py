from importlib.util import find_spec

from mmengine.config import Config

NO_SMP = 'segmentation-models-pytorch is not installed (pip install segmentation-models-pytorch), so its row is left out.'


def smp_left_out(cfg: Config) -> dict[str, str] | None:
    """Say why segmentation-models-pytorch does not take part.

    Args:
        cfg (Config): The config.

    Returns:
        dict[str, str] | None: The reason by its name; empty for a classifier, which that library has no match for; None if it
        takes part.
    """
    if cfg.default_scope == 'mmpretrain':
        return {}
    return {'smp': NO_SMP} if find_spec('segmentation_models_pytorch') is None else None
