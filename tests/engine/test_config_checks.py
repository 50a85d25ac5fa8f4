"""Heads, losses and data sets that do not fit are refused before anything is built, and images that are both learnt and tested on."""

import pytest
from conftest import MOON_OPTIONS, write_config
from mmengine.config import Config

import custom_modules.classification
import custom_modules.segmentation  # noqa: F401
from custom_modules.engine.config import load_config
from custom_modules.engine.config_checks import require_matching_classes, require_unpadded
from custom_modules.utils.errors import UsageError

TWO = dict(type='MoonDataset', data_root='.')
THREE = dict(type='IndexedMaskDataset', data_root='.', classes=('background', 'small', 'large'))
OTHER_ORDER = dict(THREE, classes=('background', 'large', 'small'))
TOP_5 = dict(val_evaluator=[dict(type='Accuracy', topk=(1, 3)), dict(type='BatchAccuracy', topk=5)])
WEIGHTED = dict(type='CrossEntropyLoss', class_weight=[1, 1, 1])


def config(decode_head=None, dataset=TWO, **more) -> Config:
    model = dict(type='EncoderDecoder', decode_head=decode_head, **more)
    return Config(dict(default_scope='mmseg', model=model, train_dataloader=dict(dataset=dataset)))


def ours(**options) -> dict:
    return dict(type='UNetHead', **options)


def theirs(num_classes, **options) -> dict:
    return dict(type='FCNHead', num_classes=num_classes, **options)


def loss(*weights, **options) -> dict:
    return dict(loss_decode=dict(type='CrossEntropyLoss', class_weight=list(weights), **options))


def classifier(num_classes, wnids, **more) -> Config:
    dataset = dict(type='TinyImageNet', data_root='.', wnids=wnids)
    head = dict(type='LinearClsHead', num_classes=num_classes, in_channels=8)
    return Config(dict(model=dict(head=head), train_dataloader=dict(dataset=dataset), default_scope='mmpretrain', **more))


def with_part(name, dataset) -> Config:
    cfg = config(theirs(3), THREE)
    cfg[f'{name}_dataloader'] = dict(dataset=dataset)
    return cfg


@pytest.mark.parametrize(
    ('cfg', 'words'),
    [
        (config(ours(), THREE), r'model\.decode_head is for 2 classes, but train_dataloader\.dataset \(IndexedMaskDataset\) has 3 '
         r'\(background, small, large\): set model\.decode_head\.num_classes=3, or'),
        (config(theirs(3), THREE, auxiliary_head=[theirs(3), theirs(2)]), r'^model\.auxiliary_head\.1 is for 2 classes'),
        (config(theirs(2), dict(type='ConcatDataset', datasets=[TWO, THREE])), r'but train_dataloader\.dataset\.datasets\.1 '),
        (with_part('test', TWO), r'but test_dataloader\.dataset '),
        (with_part('val', OTHER_ORDER), 'val_dataloader.dataset has background, large, small'),
        (config(ours(**loss(1.0, 5.0, use_sigmoid=True))), r'model\.decode_head\.loss_decode\.class_weight holds 2 weights, but the head has '
         r'1 output channel: give it one weight, that of class 1 .*class_weights\.py'),
        (config(theirs(3, loss_decode=[dict(type='DiceLoss'), dict(WEIGHTED, class_weight=[1])]), THREE),
         r'loss_decode\.1\.class_weight holds 1 weights, .* 3 output channels: give it a list of 3'),
        (config(theirs(2, loss_decode=dict(type='CrossEntropyLoss', class_weight=5.0))), r'class_weight is 5\.0, but'),
        (classifier(200, ['n01', 'n02']), r'model\.head is for 200 .* has 2 \(n01, n02\): set'),
        (classifier(3, ['a', 'b', 'c'], **TOP_5), 'val_evaluator.1.topk asks for the top 5 of 3 classes'),
    ],
)  # fmt: skip
def test_each_mistake_gets_its_sentence(cfg, words):
    with pytest.raises(UsageError, match=words) as caught:
        require_matching_classes(cfg)
    assert '\n' not in str(caught.value)


@pytest.mark.parametrize(
    ('classes', 'wrong', 'sentence'),
    [
        (2, dict(type='DiceLoss'), 'DiceLoss is inverted .* use BinaryDiceLoss'),
        (2, dict(type='TverskyLoss'), 'constantly 0 .* use BinaryTverskyLoss'),
        (2, dict(type='FocalLoss'), 'use BinaryFocalLoss'),
        (2, dict(type='CrossEntropyLoss'), 'set use_sigmoid=True'),
        (2, dict(type='LovaszLoss', reduction='none'), "loss_type='binary'"),
        (3, dict(type='BinaryDiceLoss'), 'has 3: use TverskyLoss'),
        (3, dict(WEIGHTED, use_sigmoid=True), 'cannot weight the classes of several sigmoids'),
        (3, dict(WEIGHTED, avg_non_ignore=True), 'set avg_non_ignore=False'),
    ],
)
def test_a_loss_that_would_mislead_is_refused(classes, wrong, sentence):
    head = ours(num_classes=classes, loss_decode=[wrong])
    with pytest.raises(UsageError, match=sentence) as error:
        require_matching_classes(config(head, TWO if classes == 2 else THREE))
    assert str(error.value).startswith('model.decode_head.loss_decode.0: ')


@pytest.mark.parametrize(
    'options',
    [
        ['train_dataloader.dataset.split=val', 'train_dataloader.dataset.data_root={moon}/../moon'],
        # 0009 is a link to 0001
        ['train_dataloader.dataset.ann_file={moon}/list.txt']
        + [f'{part}_dataloader.dataset.ann_file={{moon}}/linked.txt' for part in ('val', 'test')],
    ],
)
def test_shared_images_are_refused(options, refused, repository, moon, tmp_path):
    (moon / 'list.txt').write_text('0001\n0002\n')
    (moon / 'linked.txt').write_text('0009\n')
    link = moon / 'images' / 'render' / 'render0009.png'
    link.unlink()
    link.symlink_to(link.with_name('render0001.png'))
    options = [option.format(moon=moon) for option in options]
    run = ['--work-dir', tmp_path / 'run', '--cfg-options', *MOON_OPTIONS, *options]
    refused('images of the val set are trained on, such as', 'train.py', repository / 'configs' / 'unet_baseline.py', *run)
    assert not list((tmp_path / 'run').glob('*.pth'))


def test_a_set_within_a_set_is_looked_into(refused, repository, moon, monkeypatch):
    for name in ('MOON_DATA', 'MOON_FURTHER', 'MOON_SYNTHETIC', 'MOON_GOALS'):
        monkeypatch.setenv(name, str(moon))
    config = repository / 'configs' / 'ablations' / 'detector_with_boulders.py'
    fractions = [f'{part}_dataloader.dataset.val_fraction=0.4' for part in ('val', 'test')]
    refused('images are shared', 'train.py', config, '--cfg-options', *fractions)


@pytest.mark.parametrize('imports', ["'json'", "['json']"])
def test_what_a_config_imports_itself_comes_after_ours(imports, tmp_path):
    path = write_config(tmp_path / 'mine.py', 'unet_baseline', f'custom_imports = dict(imports={imports})\n')
    assert load_config(path).custom_imports.imports == ['custom_modules.segmentation', 'json']


def padded(load_size, **dataset) -> dict:
    dataset = dict(type='MoonDataset', load_size=load_size, **dataset)
    model = dict(backbone=dict(type='MoonNet', grey_standardize=True), data_preprocessor=dict(size_divisor=32))
    return Config(dict(model=model, train_dataloader=dict(dataset=dataset)))


def test_padding_is_not_standardized():
    for size in (None, (120, 128)):
        with pytest.raises(UsageError, match='grey_standardize would count the padding'):
            require_unpadded(padded(size))
    with pytest.raises(UsageError, match='images of 100x100, which are padded'):
        require_unpadded(padded((256, 128), pipeline=[dict(type='RandomCrop', crop_size=(100, 100))]))
    require_unpadded(padded((256, 128)))
    require_unpadded(padded((421, 280), pipeline=[dict(type='RandomZoom', size=(128, 128))]))
