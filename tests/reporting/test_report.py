"""Every number of a report is the one that the predictions give; what cannot be compared is named; a network's stages are its modules."""

import base64
import io
import json
import re
import shutil

import jinja2
import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.registry import DATASETS, MODELS, init_default_scope
from PIL import Image
from scipy.stats import wilcoxon
from sklearn.metrics import accuracy_score, f1_score, jaccard_score

from custom_modules.reporting.architecture import describe_architecture
from custom_modules.reporting.config_changes import flat_config
from custom_modules.reporting.plots import draw_architecture
from custom_modules.reporting.report import TEMPLATES
from custom_modules.reporting.scoring import shared_images


@pytest.fixture(scope='module')
def results(report):
    return json.loads((report / 'results.json').read_text())


def by_hand(run) -> np.ndarray:
    """Rock of each image, true and found, without our code: (images, 2, pixels)."""
    cfg = Config.fromfile(next(run.glob('*.py')))
    init_default_scope('mmseg')
    dataset = DATASETS.build(cfg.test_dataloader.dataset)
    model = MODELS.build(cfg.model).eval()
    model.load_state_dict(torch.load(run / 'best_rock_Dice_epoch_1.pth')['state_dict'])
    masks = []
    for i in range(len(dataset)):
        batch = model.data_preprocessor(pseudo_collate([dataset[i]]))
        with torch.no_grad():
            found = model(batch['inputs'])[0, 0].sigmoid() > 0.5
        masks.append([(batch['data_samples'][0].gt_sem_seg.data[0] == 1).numpy().ravel(), found.numpy().ravel()])
    return np.array(masks)


def scores(truth, found) -> dict:
    both = dict(average='macro')
    shares = dict(rock_Dice=f1_score(truth, found), rock_IoU=jaccard_score(truth, found))
    shares |= dict(mDice=f1_score(truth, found, **both), mIoU=jaccard_score(truth, found, **both))
    return {name: 100 * share for name, share in dict(shares, aAcc=accuracy_score(truth, found)).items()}


@pytest.fixture(scope='module')
def masks(runs) -> list:
    return [by_hand(run) for run in runs[:4]]


def test_scores_are_those_of_the_predictions(runs, results, masks):
    assert [arm['label'] for arm in results['arms']] == ['unet_baseline_seed0', 'unet_backbone_scratch', '<b>bold']
    entries = [run for arm in results['arms'] for run in arm['runs']]
    dice = []
    for run, entry, images in zip(runs[:4], entries, masks, strict=True):
        assert entry['work_dir'] == run.name
        expected = scores(*np.concatenate(images, axis=1))
        dice.append(expected['rock_Dice'])
        assert {name: entry['scores'][name] for name in expected} == pytest.approx(expected)
        assert entry['best_epoch'] == 1 and entry['last_epoch_logged'] == 40.0
    assert min(dice) > 0 and max(dice) < 100
    first, second, _ = results['arms']
    assert first['mean']['rock_Dice'] == pytest.approx(np.mean(dice[:2]))
    assert first['spread']['rock_Dice'] == pytest.approx(np.std(dice[:2], ddof=1))
    assert second['spread']['rock_Dice'] is None


def test_difference_and_test_are_paired_over_images(results, masks):
    own = [[scores(*image)['rock_Dice'] for image in images] for images in masks[:3]]
    first, other = np.mean(own[:2], axis=0), np.array(own[2])
    base, arm, _ = results['arms']
    assert arm['against_first'] == arm['differences']['rock_Dice']
    assert arm['against_first']['p'] == pytest.approx(wilcoxon(other - first).pvalue)
    assert results['compared'] == ['rock_Dice', 'rock_image_Dice', 'rock_object_F1']
    for name in results['compared']:
        found = arm['differences'][name]
        assert found['difference'] == pytest.approx(arm['mean'][name] - base['mean'][name])
        assert found['low'] <= found['difference'] <= found['high'] and found['images'] == 8


def test_what_cannot_be_compared_is_named_and_left_out(results):
    expected = dict(unfinished='1 of 2 epochs', broken='damaged', other_size='8 images of 128x128', no_run='one config')
    reasons = {path.split('/')[-1]: reason for path, reason in results['left_out'].items()}
    assert list(reasons) == list(expected) and all(words in reasons[name] for name, words in expected.items())
    assert [len(arm['runs']) for arm in results['arms']] == [2, 1, 1]
    # the log of an untrained model is made up
    assert len(results['doubts']) == 4 and 'its log says 40.00' in str(results['doubts'])


def test_pages_show_the_same_numbers(report, results):
    markdown, page = ((report / f'report.{kind}').read_text() for kind in ('md', 'html'))
    shown = ['unfinished: 1 of 2 epochs', f'{results["classifiers"][0]["macro"]["f1"]:.2f}']
    first, second, _ = results['arms']
    shown.append(f'{first["spread"]["rock_Dice"]:.2f}')
    for arm in results['arms']:
        assert sum(stage['parameters'] for stage in arm['architecture']['stages']) == arm['parameters']
        shown += [f'{arm["mean"][name]:.2f}' for name in ('rock_Dice', 'rock_IoU', 'mDice', 'mIoU', 'aAcc')]
        shown.append(f'{arm["parameters"]:,}')
    for name in results['compared']:
        ends, found = second['intervals'][name], second['differences'][name]
        shown.append(f'{second["mean"][name]:.2f} [{ends[0]:.2f}, {ends[1]:.2f}]')
        shown.append(f'{found["difference"]:+.2f} [{found["low"]:+.2f}, {found["high"]:+.2f}]')
    assert not [words for words in shown if words not in markdown or words not in page]
    # of a class that is nowhere
    macros = jinja2.Environment(loader=jinja2.FileSystemLoader(TEMPLATES)).get_template('macros.jinja').module
    assert macros.difference(dict(second['against_first'], difference=None)) == '-'
    linked = re.findall(r'!\[.*?\]\((.*?)\)', markdown)
    assert len(linked) == 10 and all((report / name).stat().st_size > 1000 for name in linked)
    # self-contained: pictures are inlined, nothing is fetched, and a name is no markup
    sources = re.findall(r'(?:src|href)="([^"]*)"', page)
    assert all(s.startswith('data:') or s.endswith('.py') for s in sources) and 'http' not in page
    assert '&lt;b&gt;bold' in page and '<b>' not in page
    pictures = [base64.b64decode(source.split(',')[1]) for source in sources if source.startswith('data:image')]
    # two of curves, a confusion matrix, four networks; for each of 3 images thumbnail, input, truth and three models
    assert len(pictures) == 3 + 4 + 3 * 6
    assert all(min(Image.open(io.BytesIO(picture)).size) >= 64 for picture in pictures)


def test_the_page_in_a_browser(browser, report):
    from chromium import watched_tabs

    with watched_tabs(browser, 'file:') as open_tab:
        page = open_tab()
        page.goto((report / 'report.html').as_uri())
        samples = page.locator('.sample')
        shown = [sample.is_visible() for sample in samples.all()]
        page.keyboard.press('ArrowRight')
        assert shown == [True, False, False] and samples.nth(1).is_visible()
        page.emulate_media(media='print')
        assert all(sample.is_visible() for sample in samples.all())


def test_seeds_are_told_from_experiments(repository):
    def what(options):
        cfg = Config.fromfile(repository / 'configs' / 'unet_baseline.py')
        cfg.merge_from_dict(options)
        return flat_config(cfg)

    first = what({'randomness.seed': 1, 'default_hooks.logger.interval': 99, 'train_dataloader.num_workers': 7})
    assert first == what({}) != what({'optim_wrapper.optimizer.lr': 0.5})
    # of the same name, but of another folder
    assert what(dict(load_from='/a/epoch_1.pth')) != what(dict(load_from='/b/epoch_1.pth')) != first


def test_a_copy_is_no_seed_and_mistakes_are_said(runs, tmp_path, tool, refused):
    shutil.copytree(runs[0], tmp_path / 'copy')
    assert tool('report.py', runs[0], tmp_path / 'copy', '-o', tmp_path / 'r', '--images', '1') == 0
    results = json.loads((tmp_path / 'r' / 'results.json').read_text())
    assert [len(arm['runs']) for arm in results['arms']] == [1]
    assert 'a copy is no other seed' in results['left_out'][str(tmp_path / 'copy')]
    refused('--overwrite', 'report.py', runs[0], '-o', tmp_path / 'r')
    refused('would change nothing', 'report.py', runs[0], '-o', tmp_path / 's', '--cfg-options', 'foo.bar=1')
    assert not (tmp_path / 's').exists()


def test_a_moved_copy_of_the_validation_images_is_known(repository, moon, segmentation, tmp_path):
    cfg = Config.fromfile(repository / 'configs' / 'unet_baseline.py')
    files = sorted((shutil.copytree(moon, tmp_path / 'moved') / 'images' / 'render').iterdir())
    assert shared_images(cfg, 'val', files)
    # of the same names, and others
    for file in files:
        file.write_bytes(file.read_bytes() + b'.')
    assert not shared_images(cfg, 'val', files)
    # which may be of one of several data sets
    own = cfg.val_dataloader.dataset
    both = [dict(own, data_root=str(tmp_path / 'moved')), own]
    assert shared_images(Config(dict(val_dataloader=dict(dataset=dict(type='ConcatDataset', datasets=both)))), 'val', files)
    # where they are gone, the same cut of a folder of that name tells
    own.data_root = str(tmp_path / 'gone' / 'moon')
    assert shared_images(cfg, 'val', files)
    cfg.test_dataloader.dataset.split = 'all'
    assert not shared_images(cfg, 'val', files)


@pytest.mark.parametrize(
    ('name', 'u_shaped', 'channels', 'frozen'),
    [
        ('unet_baseline', True, 1, dict(output='')),
        ('unet_backbone_scratch', True, 1, {'stem': '', 'stage 4': ''}),
        ('unet_backbone_frozen', True, 1, {'stem': 'always', 'stage 4': 'always', 'up 1': ''}),
        ('unet_backbone_unfreeze', True, 1, {'stem': 'for 25 epochs', 'stage 4': 'for 10 epochs', 'up 1': ''}),
        ('reference/report2_simple_net_unfreeze', True, 1, dict(output='')),
        ('multiclass/unet_r34', True, 3, dict(output='')),
        ('multiclass/deeplabv3plus_r50', False, 3, dict(output='')),
        ('classifier_14_classes', False, 14, dict(output='')),
    ],
)
def test_every_kind_of_network_is_described_and_drawn(repository, name, u_shaped, channels, frozen):
    cfg = Config.fromfile(repository / 'configs' / f'{name}.py')
    init_default_scope(cfg.default_scope)
    # no weights are read
    cfg.model.backbone.pop('init_cfg', None)
    model = MODELS.build(cfg.model).eval()
    network = describe_architecture(model, (64, 64), cfg)
    # each parameter belongs to one stage
    assert network.parameters == sum(p.numel() for p in model.parameters())
    assert network.is_u_shaped is u_shaped
    assert (network.stages[0].in_channels, network.stages[0].inputs) == (3, ('input',))
    assert (network.stages[-1].name, network.stages[-1].channels) == ('output', channels)
    known = ['input']
    for stage in network.stages:
        # what it takes was there before
        assert stage.inputs and set(stage.inputs) <= set(known), stage
        known.append(stage.name)
    assert len(set(known)) == len(known)
    assert frozen.items() <= {stage.name: stage.frozen for stage in network.stages}.items()
    picture = Image.open(io.BytesIO(draw_architecture(network, '$x$')))
    assert min(picture.size) > 300 and len(picture.convert('RGB').getcolors(10**6)) > 50
