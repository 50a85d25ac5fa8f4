"""Reduce a checkpoint to its weights and the names of its classes, for publishing: no optimizer, no logs, no config."""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from custom_modules.utils.errors import UsageError, reporting_errors
from custom_modules.utils.files import require_absent


@reporting_errors
def main() -> None:
    """Publish."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('checkpoint', help='checkpoint of a run, such as work_dirs/classifier/epoch_80.pth')
    parser.add_argument('out', help='file to write, such as checkpoints/moon_net.pth')
    text = "config whose test set names the classes, if the checkpoint does not (a run's own does)"
    parser.add_argument('--config', help=text)
    parser.add_argument('--overwrite', action='store_true', help='replace an existing file')
    args = parser.parse_args()
    if not args.overwrite:
        require_absent(args.out, 'choose another name or pass --overwrite')

    from custom_modules.engine.config import load_config
    from custom_modules.engine.weights import configured_classes, load_model, read_classes, read_weights, write_weights

    state, dataset_meta = read_weights(args.checkpoint), read_classes(args.checkpoint)
    if args.config:
        cfg = load_config(args.config)
        # refuses the weights of another config, whose classes these are not
        load_model(cfg, args.checkpoint)
        dataset_meta = configured_classes(cfg.test_dataloader.dataset, cfg.default_scope)
    if dataset_meta is None:
        raise UsageError(
            f'{args.checkpoint} does not say what its classes are called, which inferencers show: add --config with the config that '
            'it was trained with.'
        )
    digest = write_weights(state, args.out, dataset_meta)
    parameters = sum(t.numel() for t in state.values())
    print(f'{args.out}: {len(state)} tensors, {parameters:,} numbers, sha256 {digest}')
    print(f'classes: {", ".join(dataset_meta["classes"])}')
    print(f'Write its card to {Path(args.out).with_suffix(".md")}')


if __name__ == '__main__':
    main()
