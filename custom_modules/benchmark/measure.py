import argparse
from pathlib import Path

from mmengine.config import Config
from mmengine.device import get_device

from . import data_benchmark, infer_benchmark, levers, train_contestants
from .in_turn import in_turn
from .train_summary import train_summary


def measure(args: argparse.Namespace, cfg: Config, folder: Path) -> dict:
    """Let the contestants of a command run in turn.

    Args:
        args (argparse.Namespace): Of :func:`benchmark_parser`.
        cfg (Config): The config, as :func:`benchmark_config` gives it.
        folder (Path): For the contestants' files, which are removed.

    Returns:
        dict: ``settings``, ``left_out``, ``contestants`` and ``ratios`` of the results.
    """
    left_out, options = {}, dict(rounds=1, repeats=args.repeats)
    settings = dict(batch=args.batch or cfg.train_dataloader.batch_size, repeats=args.repeats)
    if args.command == 'data':
        contestants, left_out = data_benchmark.data_contestants(cfg, args.workers)
        summary, options['warm_up'] = data_benchmark.data_summary, 0
    elif args.command == 'infer':
        settings = dict(batches=args.batch, images=args.images, repeats=args.repeats)
        contestants, left_out = infer_benchmark.infer_contestants(
            cfg, args.checkpoint, args.batch, args.images
        )
        summary, options = infer_benchmark.infer_summary, dict(rounds=args.repeats + 1, repeats=1)
    else:
        settings['epochs'] = args.epochs
        options |= dict(rounds=args.epochs, split=True)
        # a GPU has a further epoch, for the parts
        planned = (folder, args.epochs + (get_device() == 'cuda'))
        summary = train_summary
        if args.levers is None:
            contestants, left_out = train_contestants.train_contestants(cfg, *planned, args.workers)
        else:
            names = args.levers or [name for name in levers.LEVERS if name not in levers.ON_REQUEST]
            contestants = train_contestants.lever_contestants(cfg, *planned, names)
    settings |= dict(pairs=args.pairs or 'all', workers=args.workers)
    contestants, ratios = summary(
        *in_turn(contestants, folder=folder, threads=args.threads, **options)
    )
    return dict(settings=settings, left_out=left_out, contestants=contestants, ratios=ratios)
