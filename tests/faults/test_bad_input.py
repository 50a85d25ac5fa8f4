"""What else goes wrong in a training: a setting or a loss that is no number, masks without a label, no validation, no masks."""

import os
import re
import shlex
import shutil

import numpy as np
import pytest
from conftest import logged, make_moon, write_config
from mmengine.hooks import ParamSchedulerHook
from PIL import Image
from short_runs import command, errors, run_tool, weights

from custom_modules.datasets.splits import hashed_split


@pytest.fixture
def train(data, tmp_path, monkeypatch, capsys):
    """Train: exit code and what was said."""

    def run(*options, pairs='moon', flags=()):
        monkeypatch.setenv('MOON_DATA', str(data / pairs))
        return run_tool(*command('unet_baseline', tmp_path / 'run', *flags, options=options)), errors(capsys)

    return run


def test_a_loss_that_is_no_number_ends_the_run(train, tmp_path):
    code, (error,) = train('optim_wrapper.optimizer.lr=1e30', 'optim_wrapper.clip_grad=None')
    assert code == 2 and re.search('the loss is nan in epoch 1, iteration 2, .*render.*.png', error)
    assert not list((tmp_path / 'run').glob('*.pth'))


NO_SETTING = {
    'train_cfg.max_epoch=2': "EpochBasedTrainLoop has no setting 'max_epoch'",
    'model.type=UNetSegmentr': "no model named 'UNetSegmentr': name the module .* custom_imports, or mend its type in the config",
    'optim_wrapper.optimizer.type=AdamX': "no optimizer named 'AdamX'",
    'train_cfg.max_epochs=abc': "max_epochs is a whole number of at least 1, got 'abc'",
    'val_dataloader.drop_last=True': 'would leave images out of the scores: set it to False',
    'val_dataloader=3': 'val_dataloader is a dict of settings, got 3',
    'env_cfg.mp_cfg.mp_start_method=x': "mp_start_method is one of fork, spawn.*, got 'x'",
    'optim_wrapper.clip_grad.max_norm=abc': "max_norm is a number above 0, got 'abc'",
    'train_dataloader.dataset.val_fraction=abc': "val_fraction of MoonDataset is a share, .* got 'abc'",
    'val_dataloader.dataset.load_size=(0,0)': r'load_size is .width, height. in pixels, .* got \(0, 0\)',
    'model.backbone.widths=3': r'UNetEncoder cannot be made \(TypeError: .*int.* has no len\(\); staged_backbone.py, line \d+\): mend',
    'model=None': 'there is no model, without which nothing is trained',
    'train_dataloader.batch_size=0': 'batch_size is a whole number of at least 1, got 0',
    'param_scheduler.9.type=StepLR': '--cfg-options cannot be put into .*unet_baseline.py',
    # a rate that would teach nothing, or the opposite; SGD itself takes nan
    'optim_wrapper.optimizer.lr=-0.1': 'AdamW, cannot be made .Invalid learning',
    'optim_wrapper.optimizer.type=SGD optim_wrapper.optimizer.lr=nan': r'learning rate .* is nan in epoch 1',
    'param_scheduler.1.eta_min_ratio=-1': r'learning rate .* is -0.\d+ in epoch 3, .* param_scheduler',
    'param_scheduler.1.eta_min_ratio=a': "param_scheduler.1.eta_min_ratio is a number, got 'a'",
}


@pytest.mark.parametrize('settings', NO_SETTING)
def test_a_setting_that_cannot_be_is_named(settings, train):
    code, (error,) = train(*settings.split())
    assert code == 2 and re.search(NO_SETTING[settings], error), error


def test_weights_that_are_no_numbers_are_not_saved(train, tmp_path, monkeypatch):
    """The last step can spoil them after the last loss."""

    def spoil(self, runner):
        if runner.epoch == 1:
            runner.model.decode_head.conv_seg.bias.data.fill_(float('nan'))

    monkeypatch.setattr(ParamSchedulerHook, 'after_train_epoch', spoil)
    code, (error,) = train()
    assert code == 2 and 'decode_head.conv_seg.bias is nan or infinite after 4 iterations' in error
    assert [path.name for path in (tmp_path / 'run').glob('epoch_*.pth')] == ['epoch_1.pth']
    assert all(tensor.isfinite().all() for tensor in weights(tmp_path / 'run' / 'epoch_1.pth').values())


@pytest.fixture(scope='module')
def unlabelled(data):
    """Index masks of which a value has no class: one of two validation images, and most of the training's, are that alone."""
    folder = make_moon(data / 'unlabelled', count=10)
    ids = [f'{i:04d}' for i in range(10)]
    val, training = (hashed_split(ids, part, 0.2, 0.0) for part in ('val', 'train'))
    for name in ids:
        path = folder / 'images' / 'ground' / f'ground{name}.png'
        mask = (np.asarray(Image.open(path)) > 0).astype(np.uint8)
        Image.fromarray(np.full_like(mask, 7) if name in (val[0], *training[:7]) else mask).save(path)
    return folder


CONFIG = """
marked = dict(
    type='IndexedMaskDataset', data_root='{data}', classes=('ground', 'rock'), ignore_index=7, load_size=(64, 64),
    data_prefix=dict(img_path='images/render', seg_map_path='images/ground'), img_prefix='render', mask_prefix='ground')
pipeline = _base_.plain_pipeline
train_dataloader = dict(batch_size=1, dataset=dict(marked, _delete_=True, pipeline=pipeline))
val_dataloader = dict(dataset=dict(marked, _delete_=True, split='val', pipeline=pipeline, test_mode=True))
test_dataloader = val_dataloader
"""


@pytest.mark.parametrize('loss', ['bce_dice', 'lovasz', 'tversky', 'focal'])
def test_masks_without_a_label_cost_nothing(loss, unlabelled, tmp_path, capsys):
    text = CONFIG.format(data=unlabelled.as_posix()) + f'model = dict(decode_head=dict(loss_decode=_base_.losses.{loss}))\n'
    path, run = write_config(tmp_path / 'experiment.py', 'unet_baseline', text), tmp_path / 'run'
    options = ['train_dataloader.batch_size=1', 'val_dataloader.batch_size=2', 'train_cfg.max_epochs=2']
    assert run_tool(*command(path, run, options=options)) == 0, capsys.readouterr().err
    rows = logged(run)
    losses = [row['val_loss'] for row in rows if 'val_loss' in row]
    assert len(losses) == 2 and np.isfinite(losses).all() and min(losses) > 0
    assert all(np.isfinite(row['loss']) for row in rows if 'loss' in row)


def test_one_pair_on_purpose(data, train, tmp_path):
    """Refused, with what says that it is meant; with that it runs, and scores what it has learnt."""
    make_moon(data / 'one', count=1)
    code, (error,) = train(pairs='one')
    assert code == 2 and 'is empty: 1 pairs' in error and '--overfit' in error
    code, (error,) = train(*(f'{part}_dataloader.dataset.split=all' for part in ('train', 'val', 'test')), pairs='one')
    assert code == 2 and 'are trained on' in error and '--overfit' in error
    assert train(pairs='one', flags=['--overfit']) == (0, [])
    assert (tmp_path / 'run' / 'epoch_3.pth').is_file()


def test_without_validation(train, tmp_path):
    code, (error,) = train('val_dataloader=None')
    assert code == 2
    # what it says works
    assert train(*error.split('--cfg-options ')[1].split(', or')[0].split()) == (0, [])
    assert [path.name for path in (tmp_path / 'run').glob('best_*')] == []
    assert (tmp_path / 'run' / 'epoch_3.pth').is_file()


def test_photographs_without_masks_lead_to_the_prediction(untrained, tool, moon, tmp_path, monkeypatch, capsys):
    """By the very command that is named: blanks in names, and options that change the model."""
    photographs = shutil.copytree(moon / 'images' / 'render', tmp_path / 'my photographs' / 'images' / 'render')
    monkeypatch.setenv('MOON_DATA', str(tmp_path / 'my photographs'))
    config, weights, options = untrained
    where = '--work-dir', tmp_path / 'a work dir', '--out', tmp_path / 'die Felsmasken ü'
    assert tool('test.py', config, weights, *where, '--cfg-options', *options) == 2
    (error,) = errors(capsys)
    assert f'masks were looked for in {photographs.parent}' in error
    _, name, *arguments = shlex.split(re.search('found by `(python .*)`', error)[1])
    assert tool(os.path.basename(name), *arguments) == 0
    masks = (tmp_path / 'die Felsmasken ü' / 'masks').iterdir()
    assert sorted(path.name for path in masks) == sorted(path.name for path in photographs.iterdir())


JOINED = """
part = dict(_base_.test_dataloader.dataset, load_size=(64, 64), split='all')
parts = [dict(part, data_root=root) for root in {roots}]
test_dataloader = dict(dataset=dict(_delete_=True, type='ConcatDataset', datasets=parts))
test_evaluator = [_base_.test_evaluator]
"""


def test_images_of_one_name_in_two_data_sets_have_a_mask_each(untrained, tool, moon, tmp_path):
    other, (_, weights, options) = shutil.copytree(moon, tmp_path / 'other'), untrained
    config = write_config(tmp_path / 'joined.py', 'unet_baseline', JOINED.format(roots=[str(moon), str(other)]))
    options = [option for option in options if not option.startswith('test_dataloader.dataset.')]
    out, where = tmp_path / 'masks', ['--work-dir', tmp_path / 'run', '--show-dir', tmp_path / 'pictures']
    assert tool('test.py', config, weights, '--out', out, *where, '--cfg-options', *options) == 0
    names = [path.relative_to(out).as_posix() for path in out.rglob('*.png')]
    assert sorted(names) == [f'{root}/images/render/render000{i}.png' for root in ('moon', 'other') for i in range(10)]
    assert len(list((tmp_path / 'pictures').rglob('*.png'))) == 20
