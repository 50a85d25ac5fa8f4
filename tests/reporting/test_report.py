"""Every number of a report is the one that the predictions give; what cannot be compared is named; a network's stages are its modules."""

import json
import re
import shutil

import cv2
import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import DATASETS, MODELS, init_default_scope
from scipy.stats import wilcoxon

import custom_modules.segmentation  # noqa: F401
from custom_modules.reporting.architecture import describe_architecture
from custom_modules.reporting.config_changes import flat_config
from custom_modules.reporting.plots import _drawn, draw_architecture
from custom_modules.reporting.scoring import shared_images


@pytest.fixture(scope='module')
def results(report):
    return json.loads((report / 'results.json').read_text())


def by_hand(run) -> list[tuple[int, int, int, int]]:
    """Rock's true positives, false positives, false negatives and true negatives of each image, without our code."""
    cfg = Config.fromfile(next(run.glob('*.py')))
    init_default_scope('mmseg')
    dataset = DATASETS.build(cfg.test_dataloader.dataset)
    model = MODELS.build(cfg.model).eval()
    model.load_state_dict(torch.load(run / 'best_rock_Dice_epoch_1.pth')['state_dict'])
    counts = []
    for i in range(len(dataset)):
        sample = dataset[i]
        batch = dict(inputs=[sample['inputs']], data_samples=[sample['data_samples']])
        batch = model.data_preprocessor(batch)
        with torch.no_grad():
            found = (model(batch['inputs'])[0, 0].sigmoid() > 0.5).numpy()
        truth = sample['data_samples'].gt_sem_seg.data[0].numpy() == 1
        cells = (found & truth, found & ~truth, ~found & truth, ~found & ~truth)
        counts.append(tuple(int(cell.sum()) for cell in cells))
    return counts


def scores(tp, fp, fn, tn):
    dice, iou = 200 * tp / (2 * tp + fp + fn), 100 * tp / (tp + fp + fn)
    ground_dice, ground_iou = 200 * tn / (2 * tn + fp + fn), 100 * tn / (tn + fp + fn)
    means = dict(mDice=(dice + ground_dice) / 2, mIoU=(iou + ground_iou) / 2)
    return dict(means, rock_Dice=dice, rock_IoU=iou, aAcc=100 * (tp + tn) / (tp + fp + fn + tn))


@pytest.fixture(scope='module')
def counted(runs) -> list:
    return [by_hand(run) for run in runs[:4]]


def test_scores_are_those_of_the_predictions(runs, results, counted):
    labels = [arm['label'] for arm in results['arms']]
    assert labels == ['unet_baseline_seed0', 'unet_backbone_scratch', '<b>bold']
    entries = [run for arm in results['arms'] for run in arm['runs']]
    dice = []
    for run, entry, images in zip(runs[:4], entries, counted, strict=True):
        assert entry['work_dir'] == run.name
        expected = scores(*np.sum(images, axis=0))
        dice.append(expected['rock_Dice'])
        assert {name: entry['scores'][name] for name in expected} == pytest.approx(expected)
        assert entry['best_epoch'] == 1 and entry['last_epoch_logged'] == 40.0
    assert min(dice) > 0 and max(dice) < 100
    first, second, _ = results['arms']
    assert first['mean']['rock_Dice'] == pytest.approx(np.mean(dice[:2]))
    assert first['spread']['rock_Dice'] == pytest.approx(np.std(dice[:2], ddof=1))
    assert second['spread']['rock_Dice'] is None
    for run, arm in zip((runs[0], runs[2], runs[3]), results['arms'], strict=True):
        state = torch.load(run / 'best_rock_Dice_epoch_1.pth')['state_dict']
        buffers = ('running_mean', 'running_var', 'num_batches_tracked')
        assert arm['parameters'] == sum(t.numel() for name, t in state.items() if not name.endswith(buffers))
        assert arm['flops'] > 1e6 and arm['images_per_second'] > 0


def test_difference_and_test_are_paired_over_images(results, counted):
    own = [[scores(*image)['rock_Dice'] for image in images] for images in counted[:3]]
    first, other = np.mean(own[:2], axis=0), np.array(own[2])
    base, arm, _ = results['arms']
    assert base['against_first'] is base['differences'] is None
    assert arm['against_first'] == arm['differences']['rock_Dice']
    assert arm['against_first']['p'] == pytest.approx(wilcoxon(other - first).pvalue)
    assert results['compared'] == ['rock_Dice', 'rock_image_Dice', 'rock_object_F1']
    for name in results['compared']:
        low, high = arm['intervals'][name]
        assert low <= arm['mean'][name] <= high
        found = arm['differences'][name]
        assert found['difference'] == pytest.approx(arm['mean'][name] - base['mean'][name])
        assert found['low'] <= found['difference'] <= found['high'] and found['images'] == 8


def test_what_cannot_be_compared_is_named_and_left_out(runs, results):
    reasons = {path.split('/')[-1]: reason for path, reason in results['left_out'].items()}
    assert list(reasons) == ['unfinished', 'broken', 'other_size', 'no_run']
    assert reasons['unfinished'] == 'unfinished: 1 of 2 epochs'
    assert 'damaged' in reasons['broken']
    assert 'other test data than unet_baseline_seed0' in reasons['other_size']
    assert '8 images of 128x128' in reasons['other_size']
    assert 'holds one config' in reasons['no_run']
    assert [len(arm['runs']) for arm in results['arms']] == [2, 1, 1]
    # the log of an untrained model is made up
    assert len(results['doubts']) == 4 and 'its log says 40.00' in str(results['doubts'])


def test_pages_show_the_same_numbers(report, results):
    markdown, page = ((report / f'report.{kind}').read_text() for kind in ('md', 'html'))
    for text in (markdown, page):
        for arm in results['arms']:
            for name in ('rock_Dice', 'rock_IoU', 'mDice', 'mIoU', 'aAcc'):
                assert f'{arm["mean"][name]:.2f}' in text
            assert f'{arm["parameters"]:,}' in text
        assert f'{results["arms"][0]["spread"]["rock_Dice"]:.2f}' in text
        assert f'{results["classifiers"][0]["macro"]["f1"]:.2f}' in text
        assert 'unfinished: 1 of 2 epochs' in text
    first, second, _ = results['arms']
    for name in ('rock_Dice', 'rock_image_Dice', 'rock_object_F1'):
        ends, found = second['intervals'][name], second['differences'][name]
        shown = f'{second["mean"][name]:.2f} [{ends[0]:.2f}, {ends[1]:.2f}]'
        difference = f'{found["difference"]:+.2f} [{found["low"]:+.2f}, {found["high"]:+.2f}]'
        assert all(words in text for words in (shown, difference) for text in (markdown, page))
    for arm in (first, second):
        stages = arm['architecture']['stages']
        assert sum(stage['parameters'] for stage in stages) == arm['parameters']
        rows = [f'{stage["in_channels"]} to {stage["channels"]}' for stage in stages]
        assert all(row in text for row in rows for text in (markdown, page))
    linked = re.findall(r'!\[.*?\]\((.*?)\)', markdown)
    assert len(linked) == 10
    assert all((report / name).stat().st_size > 1000 for name in linked)
    # self-contained: pictures are inlined, nothing is fetched
    sources = re.findall(r'(?:src|href)="([^"]*)"', page)
    assert all(s.startswith('data:') or s.endswith('.py') for s in sources) and 'http' not in page


def test_the_page_in_a_browser(browser, report):
    """No errors, pictures load, it prints, and a name is no markup."""
    from chromium import watched_tabs

    with watched_tabs(browser, 'file:') as open_tab:
        page = open_tab()
        page.goto((report / 'report.html').as_uri())
        loaded = page.evaluate('[...document.images].map((image) => image.naturalWidth)')
        # two pictures of curves, confusion matrix, four networks; for each of 3 images thumbnail, input, truth and three models
        assert len(loaded) == 3 + 4 + 3 * 6 and min(loaded) >= 64
        shot = cv2.imdecode(np.frombuffer(page.screenshot(), np.uint8), cv2.IMREAD_COLOR)
        assert shot.shape == (900, 1200, 3) and len(np.unique(shot.reshape(-1, 3), axis=0)) > 100
        assert page.locator('b').count() == 0
        names = page.locator('#results tbody tr > :nth-child(1)').all_inner_texts()
        assert any('<b>bold' in name for name in names)
        page.emulate_media(media='print')
        assert all(section.is_visible() for section in page.locator('.sample').all())
        assert not page.locator('.steps').is_visible()


def test_seeds_are_told_from_experiments(repository):
    def what(**options):
        cfg = Config.fromfile(repository / 'configs' / 'unet_baseline.py')
        cfg.merge_from_dict(options)
        return flat_config(cfg)

    first = what()
    quieter = what(**{'randomness.seed': 1, 'default_hooks.logger.interval': 99})
    assert quieter == what(**{'train_dataloader.num_workers': 7}) == first
    # of the same name, but of another folder
    assert what(load_from='/a/epoch_1.pth') != what(load_from='/b/epoch_1.pth') != first
    assert what(**{'optim_wrapper.optimizer.lr': 0.5}) != first


def test_a_copy_is_no_seed_and_mistakes_are_said(runs, tmp_path, tool, refused):
    shutil.copytree(runs[0], tmp_path / 'copy')
    assert tool('report.py', runs[0], tmp_path / 'copy', '-o', tmp_path / 'r', '--images', '1') == 0
    results = json.loads((tmp_path / 'r' / 'results.json').read_text())
    assert [len(arm['runs']) for arm in results['arms']] == [1]
    assert 'a copy is no other seed' in results['left_out'][str(tmp_path / 'copy')]
    for arguments, words in (
        ([runs[0], '-o', tmp_path / 's', '--cfg-options', 'foo.bar=1'], 'would change nothing'),
        ([runs[0], '-o', tmp_path / 'r'], '--overwrite'),
        ([tmp_path / 'nowhere', '-o', tmp_path / 's'], 'there is no work dir'),
        ([runs[4], '-o', tmp_path / 's'], 'unfinished'),
    ):
        refused(words, 'report.py', *arguments)
    assert not (tmp_path / 's').exists()


def test_a_moved_copy_of_the_validation_images_is_known(repository, moon, tmp_path):
    init_default_scope('mmseg')
    cfg = Config.fromfile(repository / 'configs' / 'unet_baseline.py')
    files = sorted((shutil.copytree(moon, tmp_path / 'moved') / 'images' / 'render').iterdir())
    assert shared_images(cfg, 'val', files)
    # of the same names, and others
    for file in files:
        file.write_bytes(file.read_bytes() + b'.')
    assert not shared_images(cfg, 'val', files)
    # where they are gone, the same cut tells
    cfg.val_dataloader.dataset.data_root = str(tmp_path / 'gone')
    assert shared_images(cfg, 'val', files)
    cfg.test_dataloader.dataset.split = 'all'
    assert not shared_images(cfg, 'val', files)


def describe(repository, name: str, size=(64, 64), **options):
    cfg = Config.fromfile(repository / 'configs' / f'{name}.py')
    if cfg.default_scope == 'mmpretrain':
        import custom_modules.classification  # noqa: F401
    init_default_scope(cfg.default_scope)
    # no weights are read
    cfg.model.backbone.pop('init_cfg', None)
    cfg.merge_from_dict(options)
    torch.manual_seed(0)
    model = MODELS.build(cfg.model).eval()
    return model, describe_architecture(model, size, cfg)


@pytest.mark.parametrize(
    ('name', 'u_shaped', 'channels'),
    [
        ('unet_baseline', True, 1),
        ('rock_detector_synthetic', True, 1),
        ('reference/report3_narrow_resnet_scratch', True, 1),
        ('reference/report2_simple_net_unfreeze', True, 1),
        ('multiclass/unet_r34', True, 3),
        ('multiclass/deeplabv3plus_r50', False, 3),
        ('classifier_14_classes', False, 14),
    ],
)
def test_every_kind_of_network_is_described_and_drawn(repository, name, u_shaped, channels):
    model, network = describe(repository, name)
    # each parameter belongs to one stage
    assert network.parameters == sum(p.numel() for p in model.parameters())
    assert network.is_u_shaped is u_shaped
    first, last = network.stages[0], network.stages[-1]
    assert (first.in_channels, first.inputs) == (3, ('input',))
    assert (last.name, last.channels) == ('output', channels)
    known = ['input']
    for stage in network.stages:
        # what it takes was there before
        assert stage.inputs and set(stage.inputs) <= set(known), stage
        known.append(stage.name)
    assert len(set(known)) == len(known)
    assert sum(box.parameters for box in _drawn(network)) == network.parameters
    picture = cv2.imdecode(np.frombuffer(draw_architecture(network, '$x$'), np.uint8), 1)
    assert min(picture.shape[:2]) > 300 and len(np.unique(picture.reshape(-1, 3), axis=0)) > 50


@pytest.mark.parametrize(
    ('name', 'options', 'stem', 'last'),
    [
        ('unet_backbone_scratch', {}, '', ''),
        ('unet_backbone_frozen', {}, 'always', 'always'),
        ('unet_backbone_unfreeze', {}, 'for 25 epochs', 'for 10 epochs'),
        ('unet_backbone_scratch', {'model.backbone.frozen_stages': 1}, 'always', ''),
    ],
)
def test_what_is_frozen_is_said(repository, name, options, stem, last):
    _, network = describe(repository, name, **options)
    found = {stage.name: stage.frozen for stage in network.stages}
    assert (found['stem'], found['stage 4'], found['up 1']) == (stem, last, '')
