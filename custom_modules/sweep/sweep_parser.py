import argparse


def sweep_parser(description: str) -> argparse.ArgumentParser:
    """Make the parser of ``tools/sweep.py``.

    Args:
        description (str): One line for ``--help``.
    """
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument(
        'configs',
        nargs='+',
        metavar='CONFIG',
        help='config files; a report compares the others with the first',
    )
    parser.add_argument(
        '--seeds', nargs='+', type=int, default=[0], metavar='N', help='seeds (default: 0)'
    )
    parser.add_argument(
        '--work-dir',
        default='work_dirs/sweep',
        metavar='ROOT',
        help='where to write; each run has its own ROOT/CONFIG/seed_N (default: work_dirs/sweep)',
    )
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action='extend',
        default=[],
        metavar='KEY=VALUE',
        help='settings to override in all runs, such as train_cfg.max_epochs=60',
    )
    parser.add_argument(
        '--vary',
        nargs='+',
        action='extend',
        default=[],
        metavar='KEY=V1,V2,...',
        help='settings that take several values in turn, each with every config and seed, such as '
        "train_dataloader.dataset.train_fraction=0.25,0.5,1.0; the value becomes part of the folder's name",
    )
    parser.add_argument(
        '--jobs',
        type=int,
        default=1,
        metavar='N',
        help='how many runs side by side (default: 1); several share the cores, unless OMP_NUM_THREADS is set',
    )
    parser.add_argument(
        '--rerun',
        action='store_true',
        help='train anew where the work dir holds a run of another config; the old one is moved to ROOT/.replaced',
    )
    parser.add_argument(
        '--report', metavar='DIR', help='at the end, compare the finished runs with tools/report.py'
    )
    parser.add_argument(
        '--overwrite', action='store_true', help='replace the report that is in DIR'
    )
    parser.add_argument(
        '--dry-run', action='store_true', help='only list the runs, and what would be done'
    )
    return parser
