"""Train a classifier or a segmentor from a config.

The flags are those of mmseg's and mmpretrain's own ``tools/train.py``.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from arguments import common_parser

from custom_modules.utils.errors import UsageError, reporting_errors

# those for which mmengine's AmpOptimWrapper and its autocast are made; they fail elsewhere
AMP_DEVICES = ('cuda', 'npu', 'mlu', 'musa')


def parse_args():
    """Read the command line."""
    parser = common_parser(__doc__.splitlines()[0])
    parser.add_argument(
        '--resume',
        nargs='?',
        const='auto',
        metavar='CHECKPOINT',
        help='go on from the latest checkpoint in the work dir, or from the given one',
    )
    parser.add_argument(
        '--amp',
        action='store_true',
        help='mixed precision: bfloat16 where GPU or CPU computes in it, else float16 on a GPU',
    )
    parser.add_argument(
        '--overfit',
        action='store_true',
        help='validate and test on the training images, on purpose: can the network learn a few by heart?',
    )
    return parser.parse_args()


def bfloat16_in_hardware() -> bool:
    """Whether the GPU computes in bfloat16 by itself, not by emulation."""
    import torch

    return torch.cuda.is_available() and torch.cuda.is_bf16_supported(including_emulation=False)


def set_mixed_precision(optim_wrapper) -> None:
    """Choose the fastest precision that the hardware computes in by itself.

    Args:
        optim_wrapper (mmengine.ConfigDict): The optimizer's config, changed in place.

    Raises:
        UsageError: If there is none but float32, or another than the hardware's is asked for.
    """
    from mmengine.device import get_device

    from custom_modules.engine.optim import cpu_has_bfloat16

    device = get_device()
    if device == 'cpu':
        if not cpu_has_bfloat16():
            raise UsageError(
                '--amp needs a GPU, or a CPU with AVX-512 BF16 or AMX, and none was found: leave it out to '
                'train in float32.'
            )
        # it has neither: bfloat16 it is, and needs no scale
        dtype = optim_wrapper.pop('dtype', None) or 'bfloat16'
        optim_wrapper.pop('loss_scale', None)
        if str(dtype).removeprefix('torch.') != 'bfloat16':
            raise UsageError(
                f'--amp computes in bfloat16 on a CPU, and optim_wrapper.dtype is {dtype}: leave one of the two out.'
            )
        optim_wrapper.type = 'BFloat16OptimWrapper'
        return
    if device not in AMP_DEVICES:
        raise UsageError(
            f'--amp needs one of {", ".join(AMP_DEVICES)} or a CPU that computes in bfloat16, and the device is {device}: '
            'leave it out to train in float32.'
        )
    optim_wrapper.type = 'AmpOptimWrapper'
    if bfloat16_in_hardware():
        optim_wrapper.setdefault('dtype', 'bfloat16')
    if optim_wrapper.get('dtype') == 'bfloat16':
        # its exponents are float32's: no gradient gets lost that a scale would save
        optim_wrapper.setdefault('loss_scale', dict(enabled=False))


def merge_args(cfg, args) -> None:
    """Put the arguments of training into the config.

    Args:
        cfg (mmengine.Config): The config, changed in place.
        args (argparse.Namespace): The arguments.

    Raises:
        UsageError: If the run would overwrite another or cannot do what is asked.
    """
    from custom_modules.engine.folds import hold_out_nothing
    from custom_modules.engine.work_dirs import last_checkpoint, require_no_run

    if args.overfit:
        hold_out_nothing(cfg)
    if args.amp:
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

    from custom_modules.engine.config import load_config
    from custom_modules.engine.config_checks import check_config
    from custom_modules.engine.data_checks import (
        require_a_batch,
        require_data_folders,
        require_sound_test_set,
        require_unseen,
    )
    from custom_modules.engine.distributed import is_first_process
    from custom_modules.engine.work_dirs import lock_work_dir, remove_leftovers
    from custom_modules.models.pretrained import require_pretrained

    cfg = load_config(args.config, args.cfg_options, args.work_dir, args.launcher)
    check_config(cfg)
    # before a look at what lies there, and as long as this process lives
    first = is_first_process(args.launcher)
    lock = first and lock_work_dir(cfg.work_dir)  # noqa: F841
    if first:
        remove_leftovers(cfg.work_dir)
    merge_args(cfg, args)
    require_data_folders(cfg)

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
