"""Train a classifier or a segmentor from a config.

Flags that mmseg's and mmpretrain's own ``tools/train.py`` have too mean the same; ``--overfit``, ``--fold``, ``--folds``
and ``--amp auto`` are this project's.
"""

import os
import sys
from copy import deepcopy
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from arguments import common_parser

from custom_modules.utils.errors import UsageError, reporting_errors
from custom_modules.utils.files import remove_unfinished


def parse_args():
    """Read the command line."""
    parser = common_parser(__doc__.splitlines()[0])
    text = 'go on from the latest checkpoint in the work dir, or from the given one'
    parser.add_argument('--resume', nargs='?', const='auto', metavar='CHECKPOINT', help=text)
    text = (
        'mixed precision; --amp alone: bfloat16 where GPU or CPU computes in it, else float16 on a GPU; --amp auto: the same, '
        'only where it pays'
    )
    parser.add_argument('--amp', metavar='auto', choices=['on', 'auto'], help=text)
    text = 'validate and test on the training images, on purpose: can the network learn a few by heart?'
    parser.add_argument('--overfit', action='store_true', help=text)
    text = 'one training of a cross-validation: hold out part K, from 0 on, as tools/sweep.py --folds does for all'
    parser.add_argument('--fold', type=int, metavar='K', help=text)
    text = 'into how many parts --fold cuts (default: 5)'
    parser.add_argument('--folds', type=int, metavar='N', help=text)
    args = parser.parse_args(with_plain_amp(sys.argv[1:]))
    if args.fold is not None and args.overfit:
        parser.error('--fold holds out images and --overfit holds out none: leave one of them out')
    if args.folds is not None and args.fold is None:
        parser.error('--folds is for --fold K, the part to hold out; tools/sweep.py --folds trains all of them')
    return args


def with_plain_amp(arguments: list[str]) -> list[str]:
    """Give a bare ``--amp`` its value, since argparse would take the config that may follow for it."""
    pairs = zip(arguments, [*arguments[1:], None], strict=True)
    return ['--amp=on' if one == '--amp' and after not in ('auto', 'on') else one for one, after in pairs]


def require_training(cfg) -> None:
    """Refuse a config without one of the sections that a training needs."""
    missing = [key for key in ('model', 'train_dataloader', 'train_cfg', 'optim_wrapper') if cfg.get(key) is None]
    if missing:
        keys = ' and no '.join(missing)
        raise UsageError(f'there is no {keys}, without which nothing is trained: add it to the config.')


def hold_out_nothing(cfg) -> None:
    """Validate and test on the training images, to see that a network can overfit to them; changes the config in place.

    The single training set (else a UsageError) takes all its pairs, and replaces the other two, which keep their pipelines.
    """
    from custom_modules.engine.config import is_cut_by_hash

    train = cfg.train_dataloader.dataset
    if 'dataset' in train or 'datasets' in train:
        raise UsageError(
            f'--overfit is for a single training set, and train_dataloader.dataset is a {train.get("type")}: choose one of its parts.'
        )
    if is_cut_by_hash(train):
        train.split = 'all'
        for key in ('fold', 'folds', 'train_fraction'):
            train.pop(key, None)
    for part in ('val', 'test'):
        if loader := cfg.get(f'{part}_dataloader'):
            loader.dataset = deepcopy(train) | dict(pipeline=loader.dataset.get('pipeline'), test_mode=True)


def is_first_process(launcher: str) -> bool:
    """Whether this process has rank 0, and so writes the run's files."""
    from custom_modules.engine.devices import VARIABLES

    return launcher == 'none' or int(os.environ[VARIABLES[launcher][0]]) == 0


def require_no_run(work_dir: str | Path) -> None:
    """Refuse, with a UsageError, a work dir that holds a checkpoint, before anything is written to it."""
    found = [*Path(work_dir).glob('last_checkpoint'), *sorted(Path(work_dir).glob('*.pth'))]
    if found:
        raise UsageError(
            f'{work_dir} already holds a run ({found[-1].name}), which would be overwritten: go on with --resume, write elsewhere '
            'with --work-dir, or remove it.'
        )


def merge_args(cfg, args) -> None:
    """Put the arguments of training into the config; a UsageError if the run would overwrite another or cannot do what is asked."""
    from custom_modules.engine.devices import mixed_precision_pays, set_mixed_precision
    from custom_modules.engine.work_dirs import last_checkpoint

    if args.overfit:
        hold_out_nothing(cfg)
    if args.amp == 'on' or (args.amp == 'auto' and mixed_precision_pays()):
        set_mixed_precision(cfg.optim_wrapper)
    resume = args.resume
    if resume is None and cfg.get('resume'):
        # as mmengine has it: without a load_from the work dir's own
        resume = cfg.get('load_from') or 'auto'
    if resume is None:
        require_no_run(cfg.work_dir)
    else:
        last = last_checkpoint(cfg.work_dir) if resume == 'auto' else resume
        # where there is nothing yet the run begins, from the config's load_from if it has one
        cfg.resume = last is not None
        cfg.load_from = cfg.get('load_from') if last is None else str(last)
        if last and not Path(last).is_file():
            raise UsageError(f'there is no checkpoint {last} to resume from.')


@reporting_errors
def main() -> None:
    """Train."""
    args = parse_args()

    from mmengine.model import is_model_wrapper
    from mmengine.runner import Runner

    from custom_modules.engine.config import hold_out, load_config
    from custom_modules.engine.config_checks import check_config
    from custom_modules.engine.data_checks import require_a_batch, require_data_folders, require_sound_test_set, require_unseen
    from custom_modules.engine.devices import speed_advice
    from custom_modules.engine.work_dirs import lock_work_dir
    from custom_modules.models.safe_loading import require_pretrained

    cfg = load_config(args.config, args.cfg_options, args.work_dir, args.launcher)
    if args.fold is not None:
        _, cfg = hold_out(cfg, args.fold, 5 if args.folds is None else args.folds)
    check_config(cfg)
    require_training(cfg)
    # locked before the work dir is inspected, until this process ends
    first = is_first_process(args.launcher)
    lock = first and lock_work_dir(cfg.work_dir)  # noqa: F841
    if first:
        remove_unfinished(cfg.work_dir)
    merge_args(cfg, args)
    require_data_folders(cfg)
    if first and (advice := speed_advice(cfg)):
        print(advice, flush=True)

    runner = Runner.from_cfg(cfg)
    require_a_batch(runner)
    val_set = runner.val_loop and runner.val_dataloader.dataset
    test_set = require_sound_test_set(cfg)
    if not args.overfit:
        require_unseen(runner.train_dataloader.dataset, dict(val=val_set, test=test_set))
    model = runner.model.module if is_model_wrapper(runner.model) else runner.model
    require_pretrained(model)
    runner.train()


if __name__ == '__main__':
    main()
