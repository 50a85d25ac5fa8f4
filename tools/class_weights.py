"""Compute class weights from the training masks of a config, ready to paste into its losses."""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from arguments import add_config, checked_config

from custom_modules.utils.errors import UsageError, reporting_errors


def parse_args():
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    add_config(parser, 'train_dataloader.dataset.split=all')
    return parser.parse_args()


def numbers(weights) -> str:
    """Write weights as a config does, with three digits that count."""
    return str([float(f'{weight:.3g}') for weight in weights])


@reporting_errors
def main() -> None:
    """Count and print."""
    args = parse_args()

    from mmengine.registry import DATASETS, init_default_scope

    from custom_modules.datasets.masks import class_weights, count_pixels
    from custom_modules.engine.config_checks import head_size
    from custom_modules.utils.tables import text_table

    cfg = checked_config(args)
    if cfg.get('default_scope') != 'mmseg':
        raise UsageError(
            f'{args.config} trains no segmentor, and only masks have pixels to count: choose a config with '
            "default_scope='mmseg', such as configs/unet_baseline.py."
        )

    init_default_scope(cfg.default_scope)
    dataset = DATASETS.build(cfg.train_dataloader.dataset)
    classes, counts = dataset.metainfo['classes'], count_pixels(dataset)
    weights, pixels = class_weights(classes, counts), counts.sum(axis=0)
    if weights['reason']:
        raise UsageError(weights['reason'])
    rows = zip(classes, pixels, 100 * pixels / pixels.sum(), (counts > 0).sum(axis=0), strict=True)
    title = f'{len(counts)} training masks at full size'
    print(text_table(title, ['class', 'pixels', 'share %', 'masks with it'], rows))
    if len(classes) == 2 and head_size(cfg, cfg.model.decode_head)[1] == 1:
        print(
            f'class_weight={numbers([weights["positive_weight"]])}  # for this head of one channel: '
            'CrossEntropyLoss(use_sigmoid=True)'
        )
        return
    print(f'class_weight={numbers(weights["inverse_frequency"])}  # inverse frequency: mean over the pixels is 1')
    print(f'class_weight={numbers(weights["median_frequency"])}  # median frequency: the class in the middle has 1')


if __name__ == '__main__':
    main()
