"""What ``tools/train.py`` and ``tools/test.py`` share."""

import argparse
import inspect
import os
from pathlib import Path

from custom_modules.usage_error import UsageError

from .nested_configs import data_set_configs, type_name
from .processes import join_without_gpu, require_launcher

# what the runner and the tools read from a config besides the runner's own arguments
READ_FROM_CONFIG = (
    'activation_checkpointing',
    'compile',
    'efficient_conv_bn_eval',
    'find_unused_parameters',
    'model_wrapper_cfg',
    'sync_bn',
    'tta_model',
    'tta_pipeline',
)


def common_parser(description: str) -> argparse.ArgumentParser:
    """Make a parser with the arguments that training and testing share.

    Args:
        description (str): One line for ``--help``.
    """
    from .config_arguments import add_cfg_options

    parser = argparse.ArgumentParser(description=description)
    parser.add_argument('config', help='config file, such as configs/unet_backbone_frozen.py')
    parser.add_argument('--work-dir', help='where to write (default: ./work_dirs/<config name>)')
    add_cfg_options(
        parser,
        'settings to override, such as train_cfg.max_epochs=60 randomness.seed=1; lists as key="[a,b]", without blanks',
    )
    parser.add_argument('--launcher', choices=['none', 'pytorch', 'slurm', 'mpi'], default='none')
    # older launchers pass it, newer ones set the variable
    parser.add_argument('--local_rank', '--local-rank', type=int, default=0, help=argparse.SUPPRESS)
    return parser


def config_sections() -> set[str]:
    """Name the top-level keys of a config that do something; the others only shaped it."""
    from mmengine.runner import Runner

    parameters = inspect.signature(Runner.__init__).parameters
    return {*parameters, *READ_FROM_CONFIG} - {'self', 'cfg'}


def load_config(args: argparse.Namespace):
    """Read the config and merge the shared arguments into it.

    Args:
        args (argparse.Namespace): Parsed by :func:`common_parser`.

    Returns:
        mmengine.Config: The merged config.

    Raises:
        UsageError: If there is no such config, a launcher did not start this process, an option would change nothing, or
            the data sets cut the same images into different parts.
    """
    from mmengine.config import Config
    from mmengine.device import get_device

    os.environ.setdefault('LOCAL_RANK', str(args.local_rank))
    path = Path(args.config)
    if not path.is_file():
        raise UsageError(
            f'there is no config {path}: choose a file of configs/, such as configs/unet_baseline.py.'
        )
    require_launcher(args.launcher)
    cfg = Config.fromfile(path)
    sections = config_sections()
    for key in args.cfg_options or {}:
        if key.split('.')[0] not in sections:
            raise UsageError(
                f'--cfg-options {key} would change nothing: give the place that is read, such as '
                f'train_dataloader.dataset.data_root; the sections are {", ".join(sorted(sections))}.'
            )
    cfg.merge_from_dict(args.cfg_options or {})
    # variables that only shaped the config would fill the log and slow the dump
    for key in set(cfg) - sections - {'custom_imports'}:
        cfg.pop(key)
    _require_one_split(cfg)
    cfg.launcher = args.launcher
    work_dir = args.work_dir or cfg.get('work_dir') or Path('work_dirs') / path.stem
    # backslashes would break the config that mmengine dumps
    cfg.work_dir = Path(work_dir).as_posix()
    if args.launcher != 'none' and get_device() == 'cpu':
        join_without_gpu(cfg)
    return cfg


def _require_one_split(cfg) -> None:
    """Refuse data sets of one folder that are cut differently: a test image could be a training image."""
    cuts = {}
    for name in ('train', 'val', 'test'):
        loader = cfg.get(f'{name}_dataloader') or {}
        for _, dataset in data_set_configs(name, loader.get('dataset')):
            folder = ' '.join((dataset.get('data_prefix') or {}).values())
            hashed = type_name(dataset) in ('MoonDataset', 'IndexedMaskDataset')
            # {split} in a folder's name: the parts have folders of their own; all is cut nowhere
            if hashed and '{split}' not in folder and dataset.get('split') != 'all':
                cut = f'val_fraction={float(dataset.get("val_fraction", 0.2))}'
                cut += f' test_fraction={float(dataset.get("test_fraction", 0.0))}'
                # a list beside a hashed part knows nothing of it either
                cut = 'ann_file' if dataset.get('ann_file') else cut
                cuts.setdefault((os.path.normpath(dataset.data_root), folder), set()).add(cut)
    for (root, _), found in cuts.items():
        if len(found) > 1:
            raise UsageError(
                f'the data sets on {root} are cut differently ({" and ".join(sorted(found))}): set the same '
                'in the train, val and test data loader, or images are shared between them.'
            )
