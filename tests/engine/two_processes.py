"""A run without what depends on how a batch is cut; by test_two_processes.py, in one process and in two."""

import json
import sys
from pathlib import Path

import torch
import torch.nn as nn

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
sys.path.insert(0, str(Path(__file__).resolve().parents[2] / 'tools'))

from arguments import common_parser
from mmengine.dist import barrier, is_main_process
from mmengine.hooks import Hook
from mmengine.runner import Runner

from custom_modules.engine.config import load_config
from custom_modules.engine.devices import inner_model


class Record(Hook):
    """The scores of this process, and the weights at the end."""

    priority = 'VERY_LOW'

    def __init__(self, path: str) -> None:
        self.path, self.scores = path, []

    def after_val_epoch(self, runner, metrics=None) -> None:
        self.scores.append({key: float(value) for key, value in metrics.items()})

    def after_train(self, runner) -> None:
        Path(f'{self.path}.json').write_text(json.dumps(self.scores))
        torch.save(inner_model(runner.model).state_dict(), f'{self.path}.pth')


def main() -> None:
    parser = common_parser('')
    parser.add_argument('--record')
    parser.add_argument('--score', help='checkpoint to score instead of a training')
    args = parser.parse_args()
    cfg = load_config(args.config, args.cfg_options, args.work_dir, args.launcher)
    # nothing drawn: processes draw apart
    if cfg.default_scope == 'mmseg':
        for loader in (cfg.train_dataloader, cfg.val_dataloader):
            loader.dataset.pipeline = cfg.test_dataloader.dataset.pipeline
        cfg.model.decode_head.loss_decode[1].per_image = True
        cfg.default_hooks.freeze_schedule.schedule = {0: 4, 1: 2}
    else:
        cfg.model.data_preprocessor.augments = []
        # the averages would be scored in place of the weights
        for name in ('progressive_resize', 'ema'):
            cfg.default_hooks.pop(name)
    # batch norm would see half a batch in each process
    nn.BatchNorm2d.train = lambda self, mode=True: nn.Module.train(self, False)
    runner = Runner.from_cfg(cfg)
    runner.register_hook(Record(f'{args.record}_{runner.rank}'))
    checkpoint = args.score or f'{args.record}.scored.pth'
    if not args.score:
        runner.train()
        if is_main_process():
            make(runner, checkpoint)
        barrier()
    runner.load_checkpoint(checkpoint, map_location='cpu')
    scores = {key: float(value) for key, value in runner.test().items()}
    Path(f'{args.record}_{runner.rank}_scored.json').write_text(json.dumps(scores))


def make(runner: Runner, checkpoint: str) -> None:
    """Write weights that find rock in half of an image, or each class in some: after two epochs there is none to disagree about."""
    model = inner_model(runner.model)
    torch.manual_seed(0)
    for layer in model.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight)
    inputs = model.data_preprocessor(next(iter(runner.test_loop.dataloader)), False)['inputs']
    with torch.no_grad():
        if runner.cfg.default_scope == 'mmseg':
            # the mean: the median is a pixel's own logit, which would be left as rounding around 0
            model.decode_head.conv_seg.bias -= model.eval()(inputs, mode='tensor').mean()
        else:
            model.head.fc.bias -= model.eval().head(model.extract_feat(inputs)).mean(0)
    torch.save(dict(state_dict=model.state_dict()), checkpoint)


if __name__ == '__main__':
    main()
