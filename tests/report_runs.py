"""Work dirs as trainings leave them, without training."""

import json
from pathlib import Path

import torch
from conftest import REPOSITORY
from mmengine.config import Config
from mmengine.registry import DATASETS, MODELS, init_default_scope


def write_scalars(folder: Path, epochs: list[int], scores: list[dict] | None = None, steps: int = 1) -> None:
    """What mmengine logs: two lines of each epoch's training and one of its validation."""
    lines = []
    for i, epoch in enumerate(epochs):
        loss = dict(lr=0.1 / epoch, loss=2.0 / epoch, epoch=epoch, iter=2 * epoch, step=2 * epoch)
        val = scores[i] if scores else dict(rock_Dice=40.0, rock_IoU=25.0, mDice=60.0, val_loss=1.2)
        lines += [{**loss, 'loss': 4.0 / epoch}, loss, dict(val, step=steps * epoch)]
    (folder / 'vis_data').mkdir(parents=True)
    (folder / 'vis_data' / 'scalars.json').write_text(''.join(json.dumps(line) + '\n' for line in lines))


def make_run(root: Path, config: str, seed=0, epochs=2, name: str | None = None, weights=True, **options) -> Path:
    """A work dir of two planned epochs with the weights of an untrained model, or with an empty checkpoint."""
    cfg = Config.fromfile(REPOSITORY / 'configs' / f'{config}.py')
    stem = Path(config).name
    cfg.merge_from_dict({'train_cfg.max_epochs': 2, 'randomness.seed': seed, **options})
    for part in ('train', 'val', 'test'):
        cfg[f'{part}_dataloader'].update(num_workers=0, persistent_workers=False)
    folder = root / (name or f'{stem}_seed{seed}')
    folder.mkdir(parents=True)
    cfg.dump(folder / f'{stem}.py')
    write_scalars(folder / '20260101_000000', list(range(1, epochs + 1)))
    checkpoint = folder / f'best_{cfg.default_hooks.checkpoint.save_best.replace("/", "_")}_epoch_1.pth'
    if not weights:
        checkpoint.touch()
        return folder
    init_default_scope(cfg.default_scope)
    torch.manual_seed(seed)
    model = MODELS.build(cfg.model).eval()
    if cfg.default_scope == 'mmseg':
        # else an untrained model may predict nothing but ground
        sample = DATASETS.build(cfg.test_dataloader.dataset)[0]
        batch = dict(inputs=[sample['inputs']], data_samples=[sample['data_samples']])
        with torch.no_grad():
            model.decode_head.conv_seg.bias -= model(model.data_preprocessor(batch)['inputs']).quantile(0.8)
    torch.save(dict(state_dict=model.state_dict()), checkpoint)
    return folder
