"""What a run shows while it trains: the same images again and again, each part's rate, what is frozen."""

import json
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import torch
from conftest import MOON_OPTIONS, make_moon
from mmengine.config import Config
from mmengine.hooks import LoggerHook
from mmengine.optim import build_optim_wrapper
from mmengine.runner import Runner
from mmengine.structures import BaseDataElement, PixelData
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from custom_modules.engine.config import load_config, read_options
from custom_modules.engine.hooks.freezing import GroupRatesHook
from custom_modules.utils.errors import UsageError
from custom_modules.visualization.drawing import scaled_image, write_picture
from custom_modules.visualization.visualizer import FixedSamplesHook

SCHEDULE = {0: 4, 1: 2, 2: -1}
NAMES = ('0000_render0004', '0001_render0008')


@pytest.fixture(scope='module')
def trained(tmp_path_factory, repository):
    """Four epochs of the unfreezing experiment, small, with two validation images in one batch."""
    folder = tmp_path_factory.mktemp('pictures')
    moon = make_moon(folder / 'moon')
    config = str(repository / 'configs' / 'unet_backbone_unfreeze.py')
    options = [
        *MOON_OPTIONS[:-1],
        'train_cfg.max_epochs=4',
        'val_dataloader.batch_size=2',
        'model.backbone.init_cfg=None',
        'default_hooks.fixed_samples.interval=3',
        'default_hooks.logger.interval=1',
        # far enough for the predictions to change
        'optim_wrapper.optimizer.lr=0.01',
        'model.decode_head.init_cfg=None',
    ]
    cfg = load_config(config, read_options(options), folder / 'run')
    for loader in (cfg.train_dataloader, cfg.val_dataloader, cfg.test_dataloader):
        loader.dataset.data_root = str(moon)
    cfg.default_hooks.freeze_schedule.schedule = SCHEDULE
    runner = Runner.from_cfg(cfg)
    runner.train()
    return runner


@pytest.fixture(scope='module')
def folder(trained) -> Path:
    return Path(trained.log_dir)


@pytest.fixture(scope='module')
def rows(folder) -> list[dict]:
    lines = (folder / 'vis_data' / 'scalars.json').read_text().splitlines()
    return [row for row in map(json.loads, lines) if 'loss' in row]


def cells(file) -> np.ndarray:
    """Input, truth and prediction of a picture of 64x64 images, below their captions."""
    panel = cv2.imread(str(file))[-64:]
    assert panel.shape == (64, 3 * 64, 3)
    return np.stack(np.split(panel, 3, axis=1))


def test_pictures_sort_by_image_then_epoch(folder):
    files = sorted((folder / 'vis_data' / 'fixed_samples').iterdir())
    # the first validation, the one that completes three epochs, the last
    expected = [f'{name}_epoch_{epoch:03d}.png' for name in NAMES for epoch in (1, 3, 4)]
    assert [file.name for file in files] == expected
    # nothing else draws, and mmengine's own picture files are not there a second time
    assert sorted(folder.rglob('*.png')) == files


def test_images_stay_and_predictions_move(folder):
    pictures = folder / 'vis_data' / 'fixed_samples'
    moved = 0
    for name in NAMES:
        first, third, last = (cells(file) for file in sorted(pictures.glob(f'{name}*')))
        assert (first[:2] == last[:2]).all() and (first[:2] == third[:2]).all()
        moved += (first[2] != last[2]).any()
    assert moved, 'the prediction of the first epoch is not that of the last'


def test_last_picture_shows_what_the_model_predicts(trained, folder, tmp_path):
    dataset = trained.val_dataloader.dataset
    for index, name in enumerate(NAMES):
        path = dataset.get_data_info(index)['img_path']
        assert path.endswith(f'{name[5:]}.png')
        trained.model.eval()
        with torch.no_grad():
            batch = trained.val_dataloader.collate_fn([dataset[index]])
            predicted = trained.model.test_step(batch)[0].pred_sem_seg.data
        drawn = cells(folder / 'vis_data' / 'fixed_samples' / f'{name}_epoch_004.png')
        image = cv2.imread(path)
        assert (drawn[0] == image).all()
        colour = np.array(dataset.metainfo['palette'][1])[::-1]
        truth = cv2.imread(path.replace('render', 'ground'), cv2.IMREAD_GRAYSCALE) > 0
        for cell, rock in ((drawn[1], truth), (drawn[2], predicted[0].numpy() > 0)):
            alpha = trained.visualizer.alpha
            expected = np.where(rock[..., None], (1 - alpha) * image + alpha * colour, image)
            assert np.abs(cell - expected).max() <= 1


def test_tensorboard_has_one_tag_per_image_and_goes_through_the_epochs(folder):
    events = EventAccumulator(str(folder / 'vis_data'), size_guidance=dict(images=0, scalars=0))
    events.Reload()
    tags = events.Tags()
    assert sorted(tags['images']) == [f'fixed_samples/{name}.png' for name in NAMES]
    for name in NAMES:
        shown = events.Images(f'fixed_samples/{name}.png')
        assert [image.step for image in shown] == [1, 3, 4]
        file = folder / 'vis_data' / 'fixed_samples' / f'{name}_epoch_004.png'
        decoded = cv2.imdecode(np.frombuffer(shown[-1].encoded_image_string, np.uint8), 1)
        assert (decoded == cv2.imread(str(file))).all()
    assert {'lr/backbone_lr', 'lr/decode_head_lr', 'frozen_stages'} <= set(tags['scalars'])


def test_every_part_has_its_own_rate(rows, folder):
    assert len(rows) == 8
    for row in rows:
        # mmengine's own: the rate of the first group, the encoder's, and the one without multiplier
        assert row['lr/backbone_lr'] == row['lr']
        assert row['lr/decode_head_lr'] == row['base_lr']
        assert row['lr/backbone_lr'] == pytest.approx(0.1 * row['lr/decode_head_lr'])
    rates = [row['lr/decode_head_lr'] for row in rows]
    assert len(set(rates)) > 4, 'the current value, no constant'
    assert [name for name in rows[0] if name.startswith('lr/')] == [
        'lr/backbone_lr',
        'lr/decode_head_lr',
    ]
    log = next(folder.glob('*.log')).read_text()
    assert f'lr/backbone_lr: {rates[0] / 10:.4e} lr/decode_head_lr: {rates[0]:.4e} ' in log


def test_frozen_stages_follow_the_schedule(rows):
    assert [(row['epoch'], row['frozen_stages']) for row in rows[::2]] == [
        (1, 4),
        (2, 2),
        (3, -1),
        (4, -1),
    ]


def test_checkpoints_carry_no_more_than_before(trained):
    hub = torch.load(f'{trained.work_dir}/epoch_4.pth', weights_only=True)['message_hub']
    assert 'train/lr' in hub['log_scalars']
    assert not [key for key in hub['log_scalars'] if 'lr/' in key or 'frozen' in key]


def test_a_validation_after_the_training_draws_nothing(trained, folder):
    before = sorted(folder.rglob('*.png'))
    for file in before:
        file.unlink()
    trained.val_loop.run()
    assert len(before) == 6 and list(folder.rglob('*.png')) == []


# --- without a run


class Images(list):
    """A data set of paths."""

    def get_data_info(self, index):
        return dict(img_path=self[index])


def chosen(size: int, **options) -> list[str]:
    hook = FixedSamplesHook(**options)
    images = Images(f'/data/i{i}.png' for i in range(size))
    loader = SimpleNamespace(dataset=images)
    hook.before_train(SimpleNamespace(val_loop=loader, val_dataloader=loader))
    return list(hook._names.values())


def test_images_are_evenly_spaced_or_chosen():
    assert chosen(23) == ['0000_i0', '0007_i7', '0015_i15', '0022_i22']
    assert chosen(3) == ['0000_i0', '0001_i1', '0002_i2']
    assert chosen(9, count=1) == ['0000_i0'] and chosen(9, count=0) == []
    assert chosen(9, indices=[7, 2]) == ['0007_i7', '0002_i2']
    with pytest.raises(UsageError, match='validation image 9, but there are 9: .* from 0 to 8'):
        chosen(9, indices=[9])
    with pytest.raises(UsageError, match='width .* at least 1, got 0'):
        FixedSamplesHook(width=0)


def test_without_a_validation_nothing_happens():
    hook = FixedSamplesHook()
    runner = SimpleNamespace(val_loop=None)
    hook.before_train(runner)
    hook.after_train(runner)
    # and a test does not even call that
    FixedSamplesHook().after_val_iter(runner, 0, outputs=[BaseDataElement()])


def test_wide_images_are_scaled(tmp_path):
    for width, shape in ((720, (213, 320, 3)), (300, (480, 300, 3))):
        write_picture(np.zeros((480, width, 3), np.uint8), tmp_path / 'image.png')
        assert scaled_image(str(tmp_path / 'image.png'), 320).shape == shape


def test_large_predictions_are_kept_small():
    hook = FixedSamplesHook()
    hook._names, hook._samples = {'a': '0000_a'}, {}
    maps = {key: PixelData(data=torch.ones(1, 4, 4)) for key in ('pred_sem_seg', 'seg_logits')}
    outputs = [BaseDataElement(metainfo=dict(img_path=path), **maps) for path in 'ba']
    hook.after_val_iter(None, 0, outputs=outputs)
    assert list(hook._samples) == ['a'] and hook._samples['a'].keys() == ['pred_sem_seg']
    outputs[1].pred_sem_seg.data.zero_()
    assert hook._samples['a'].pred_sem_seg.data.all(), 'a copy, also on the CPU'


def test_a_sample_without_its_path_is_warned_of():
    hook, said = FixedSamplesHook(), []
    hook._names, hook._samples, hook._seen = {'a': '0000_a'}, {}, None
    runner = SimpleNamespace(
        epoch=1, log_dir='/nonexistent', logger=SimpleNamespace(warning=said.append)
    )
    hook._draw = lambda runner: None
    hook.after_val_iter(runner, 0, outputs=[BaseDataElement()])
    hook.after_val_epoch(runner)
    assert len(said) == 1 and '0000_a' in said[0] and 'meta_keys' in said[0]


class Parts(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.backbone = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.Linear(2, 2))
        self.head = torch.nn.Linear(2, 2)


def recorded(paramwise=None, frozen=None, batch_idx=9) -> dict:
    model, seen = Parts(), {}
    if frozen is not None:
        model.backbone.frozen_stages = frozen
    optimizer = dict(type='SGD', lr=0.1)
    wrapper = build_optim_wrapper(model, dict(optimizer=optimizer, paramwise_cfg=paramwise))
    hub = SimpleNamespace(update_scalars=lambda values, resumed: seen.update(values))
    runner = SimpleNamespace(
        model=model,
        optim_wrapper=wrapper,
        hooks=[LoggerHook(interval=10)],
        message_hub=hub,
        train_dataloader=range(100),
    )
    hook = GroupRatesHook()
    hook.before_train(runner)
    hook.after_train_iter(runner, batch_idx)
    return seen


def test_parts_with_several_multiples_have_several_names():
    keys = {'backbone': dict(lr_mult=0.1), 'backbone.1': dict(lr_mult=0.5)}
    assert recorded(dict(custom_keys=keys)) == {
        'train/lr/backbone_x0.1_lr': pytest.approx(0.01),
        'train/lr/backbone_x0.5_lr': pytest.approx(0.05),
        'train/lr/head_lr': pytest.approx(0.1),
    }


def test_one_rate_needs_no_names():
    assert recorded() == {}
    # a group of its own for each parameter, all with one rate
    assert recorded(dict(custom_keys={'backbone': dict(lr_mult=1.0)})) == {}


def test_frozen_stages_of_any_backbone_and_only_for_logged_steps():
    assert recorded(frozen=2) == {'train/frozen_stages': 2}
    assert recorded(frozen=2, batch_idx=8) == {}
    # the end of an epoch is logged even if it is shorter than the interval
    assert recorded(frozen=2, batch_idx=99) == {'train/frozen_stages': 2}


def test_a_classifier_records_rates_and_draws_no_masks(repository):
    hooks = {
        name: Config.fromfile(repository / 'configs' / f'{name}.py').default_hooks
        for name in ('classifier', 'unet_baseline', 'multiclass/unet_r34')
    }
    assert all(found.group_rates.type == 'GroupRatesHook' for found in hooks.values())
    assert 'fixed_samples' not in hooks.pop('classifier')
    for found in hooks.values():
        assert (found.fixed_samples.type, found.fixed_samples.interval) == ('FixedSamplesHook', 5)
