"""Test a checkpoint of a classifier or a segmentor.

Flags that mmseg's and mmpretrain's own ``tools/test.py`` have too mean the same.
"""

import shlex
import sys
from numbers import Real
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from arguments import common_parser, require_free_folder

from custom_modules.utils.errors import UsageError, first_five, reporting_errors
from custom_modules.utils.files import require_absent, write_atomically


def parse_args():
    """Read the command line."""
    parser = common_parser(__doc__.splitlines()[0])
    parser.add_argument('checkpoint', help='checkpoint file, or an .onnx file of tools/export.py')
    parser.add_argument(
        '--out',
        help='segmentation: a folder for the predicted masks (PNG, class indices); '
        'classification: a .pkl file for the predictions',
    )
    parser.add_argument('--show-dir', help='folder for pictures of the predictions')
    parser.add_argument('--show', action='store_true', help='show the pictures in a window')
    parser.add_argument('--wait-time', type=float, default=2, help='seconds that a window stays')
    parser.add_argument('--tta', action='store_true', help='test-time augmentation')
    return parser.parse_args()


def require_as_many_classes(model, loop, file: str) -> None:
    """Refuse an exported model that knows another number of classes than the test set has."""
    known, asked = model.exported.card.classes, loop.dataloader.dataset.metainfo.get('classes') or ()
    if asked and len(known) != len(asked):
        raise UsageError(
            f'{file} knows {len(known)} classes ({first_five(known)}), and the test set has {len(asked)} ({first_five(asked)}): '
            'choose the config that it was exported from.'
        )


def merge_args(cfg, args) -> None:
    """Put the arguments of testing into the config; a UsageError if two exclude each other, or something is there already."""
    from custom_modules.engine.config import each_config, type_name, without_cache

    segments = cfg.default_scope == 'mmseg'
    if args.launcher != 'none' and (args.show or args.show_dir or Path(args.checkpoint).suffix == '.onnx'):
        raise UsageError('pictures are drawn, and .onnx files scored, by one process: leave --launcher out.')
    if args.show:
        import matplotlib.pyplot as plt

        # what it falls back to without a display: it would draw, wait, and show nothing
        if plt.get_backend().lower() == 'agg':
            raise UsageError('--show opens windows, and there is no display here: write the pictures with --show-dir FOLDER.')
    if args.tta and args.show_dir and not segments:
        raise UsageError(
            '--tta and --show-dir do not go together for a classifier (mmpretrain cannot draw several views): leave one out.'
        )
    cfg.load_from, cfg.resume = args.checkpoint, False
    if Path(args.checkpoint).suffix == '.onnx':
        if args.tta:
            raise UsageError('--tta is for a checkpoint: tools/predict.py --tta is for an .onnx file.')
        cfg.model = dict(type='mmengine.ExportedModel', file=args.checkpoint)
        cfg.load_from = None
    cfg.test_dataloader = without_cache(cfg.test_dataloader)
    # the weights of a checkpoint are the averaged ones; the hook would average anew, by names that --tta changes
    for name, hook in list(cfg.default_hooks.items()):
        if type_name(hook or {}) == 'EMAHook':
            cfg.default_hooks.pop(name)
    if args.show or args.show_dir:
        hook = cfg.default_hooks.visualization
        hook.update(show=args.show, wait_time=args.wait_time)
        hook.update(dict(draw=True) if segments else dict(enable=True, out_dir=args.show_dir))
        if args.show_dir:
            require_free_folder(Path(args.show_dir), ['**/*.png', '**/*.jpg'], '--show-dir')
            cfg.visualizer.save_dir = args.show_dir
    if args.tta:
        cfg.test_dataloader.dataset.pipeline = cfg.tta_pipeline
        cfg.model = dict(**cfg.tta_model, module=cfg.model)
    if args.out and segments:
        require_free_folder(Path(args.out), ['*.png'])
        for _, metric in each_config('test_evaluator', cfg.test_evaluator):
            metric.output_dir = args.out
    elif args.out:
        require_absent(args.out)
        given = cfg.test_evaluator
        metrics = given if isinstance(given, list) else [given]
        cfg.test_evaluator = [*metrics, dict(type='DumpResults', out_file_path=args.out)]


def name_masks(test_loop) -> None:
    """Give each image's mask its own name, also in joined data sets; a UsageError if the metric writes to a single folder."""
    from custom_modules.evaluation.class_iou_metric import ClassIoUMetric, mask_names
    from custom_modules.evaluation.predictions import image_paths

    names = mask_names(image_paths(test_loop.dataloader.dataset))
    for metric in test_loop.evaluator.metrics:
        if isinstance(metric, ClassIoUMetric):
            metric.mask_names = names
        elif any('/' in name for name in names.values()):
            raise UsageError(
                f'images of several folders have one name, so that {type(metric).__name__} would overwrite masks in --out: '
                'test one data set after the other, or set test_evaluator.type=ClassIoUMetric.'
            )


@reporting_errors
def main() -> None:
    """Test."""
    args = parse_args()
    if not Path(args.checkpoint).is_file():
        raise UsageError(f'there is no checkpoint {args.checkpoint}: train one with `python tools/train.py {args.config}`.')

    from mmengine.model import is_model_wrapper
    from mmengine.runner import Runner

    from custom_modules.datasets.pairs import MissingMasksError
    from custom_modules.engine.config import load_config
    from custom_modules.engine.config_checks import check_config
    from custom_modules.engine.data_checks import require_data_folders
    from custom_modules.models.safe_loading import require_all_tensors

    cfg = load_config(args.config, args.cfg_options, args.work_dir, args.launcher)
    check_config(cfg)
    merge_args(cfg, args)
    require_data_folders(cfg, ['test'])

    if cfg.load_from is None:
        from custom_modules.evaluation import predictions  # noqa: F401  (registers it)

    # in the work dir of a run its config stays as it was trained
    trained = Path(cfg.work_dir, Path(args.config).name)
    before = trained.read_bytes() if trained.is_file() and any(trained.parent.glob('*.pth')) else None
    runner = Runner.from_cfg(cfg)
    if before is not None and runner.rank == 0:
        write_atomically(trained, before)
    model = runner.model.module if is_model_wrapper(runner.model) else runner.model
    if cfg.load_from is not None:
        require_all_tensors(model.module if args.tta else model, args.checkpoint)
    if cfg.default_scope == 'mmpretrain':
        from custom_modules.evaluation.classification_report import ClassificationReport

        for metric in runner.test_loop.evaluator.metrics:
            if isinstance(metric, ClassificationReport):
                metric.out_dir = metric.out_dir or runner.log_dir
    try:
        if args.out and cfg.default_scope == 'mmseg':
            name_masks(runner.test_loop)
        if cfg.load_from is None:
            require_as_many_classes(model, runner.test_loop, args.checkpoint)
        scores = runner.test()
    except MissingMasksError as error:
        config = str(Path(runner.log_dir, 'vis_data', 'config.py')) if args.cfg_options and not args.tta else args.config
        config = [config] if cfg.load_from else []
        command = ['python', 'tools/predict.py', *config, args.checkpoint, error.images]
        command += ['-o', args.out or 'work_dirs/predictions', *['--tta'] * args.tta]
        raise UsageError(
            f'{str(error).rstrip(".")}; without masks there are no scores, but the rocks are found by `{shlex.join(command)}`.'
        ) from error
    shown = {name: f'{v:.2f}' if isinstance(v, Real) else v for name, v in scores.items()}
    print('  '.join(f'{name}: {value}' for name, value in shown.items()))
    if args.show_dir:
        folders = {path.parent.resolve() for path in Path(args.show_dir).rglob('*.png')}
        print(f'Pictures are in {", ".join(sorted(map(str, folders)))}')


if __name__ == '__main__':
    main()
