"""No image is both learnt and tested on, whichever way the sets are put together; no training sees its padding."""

import pytest
from conftest import MOON_OPTIONS
from mmengine.config import Config

from custom_modules.engine.config_checks import require_unpadded
from custom_modules.utils.errors import UsageError


@pytest.fixture
def config(repository):
    return repository / 'configs' / 'unet_baseline.py'


@pytest.mark.parametrize(
    'options',
    [
        ['train_dataloader.dataset.split=all'],
        ['train_dataloader.dataset.split=val', 'train_dataloader.dataset.data_root={moon}/../moon'],
        [f'{p}_dataloader.dataset.ann_file={{moon}}/list.txt' for p in ('train', 'val', 'test')],
        # 0009 is a link to 0001
        ['train_dataloader.dataset.ann_file={moon}/list.txt']
        + [f'{part}_dataloader.dataset.ann_file={{moon}}/linked.txt' for part in ('val', 'test')],
    ],
)
def test_shared_images_are_refused(options, tool, config, moon, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv('MOON_DATA', str(moon))
    (moon / 'list.txt').write_text('0001\n0002\n')
    (moon / 'linked.txt').write_text('0009\n')
    link = moon / 'images' / 'render' / 'render0009.png'
    link.unlink()
    link.symlink_to(link.with_name('render0001.png'))
    options = [option.format(moon=moon) for option in options]
    run = ['--work-dir', tmp_path / 'run', '--cfg-options', *MOON_OPTIONS, *options]
    assert tool('train.py', config, *run) == 2
    told = capsys.readouterr().err
    assert 'images of the val set are trained on, such as' in told
    assert not list((tmp_path / 'run').glob('*.pth'))


def test_a_set_within_a_set_is_looked_into(tool, repository, moon, monkeypatch, capsys):
    for name in ('MOON_DATA', 'MOON_FURTHER', 'MOON_SYNTHETIC', 'MOON_GOALS'):
        monkeypatch.setenv(name, str(moon))
    config = repository / 'configs' / 'ablations' / 'detector_with_boulders.py'
    fractions = [f'{part}_dataloader.dataset.val_fraction=0.4' for part in ('val', 'test')]
    assert tool('train.py', config, '--cfg-options', *fractions) == 2
    assert 'images are shared' in capsys.readouterr().err


def padded(load_size, **dataset) -> dict:
    dataset = dict(type='MoonDataset', load_size=load_size, **dataset)
    backbone = dict(type='MoonNet', grey_standardize=True)
    model = dict(backbone=backbone, data_preprocessor=dict(size_divisor=32))
    return Config(dict(model=model, train_dataloader=dict(dataset=dataset)))


def test_padding_is_not_standardized():
    for size in (None, (120, 128)):
        with pytest.raises(UsageError, match='grey_standardize would count the padding'):
            require_unpadded(padded(size))
    require_unpadded(padded((256, 128)))
    require_unpadded(padded((421, 280), pipeline=[dict(type='RandomZoom', size=(128, 128))]))
