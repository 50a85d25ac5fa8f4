"""Every number of a report is the one that the predictions give; what cannot be compared is named, never averaged."""

import json
import re
import shutil

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import DATASETS, MODELS, init_default_scope
from scipy.stats import wilcoxon

import custom_modules.segmentation  # noqa: F401
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
        batch = model.data_preprocessor(
            dict(inputs=[sample['inputs']], data_samples=[sample['data_samples']])
        )
        with torch.no_grad():
            found = (model(batch['inputs'])[0, 0].sigmoid() > 0.5).numpy()
        truth = sample['data_samples'].gt_sem_seg.data[0].numpy() == 1
        cells = (found & truth, found & ~truth, ~found & truth, ~found & ~truth)
        counts.append(tuple(int(cell.sum()) for cell in cells))
    return counts


def dice(tp, fp, fn, tn):
    return 100 * 2 * tp / (2 * tp + fp + fn)


def scores(tp, fp, fn, tn):
    iou, ground = 100 * tp / (tp + fp + fn), 100 * tn / (tn + fp + fn)
    ground_dice = dice(tn, fn, fp, tp)
    return dict(
        rock_Dice=dice(tp, fp, fn, tn),
        rock_IoU=iou,
        mDice=(dice(tp, fp, fn, tn) + ground_dice) / 2,
        mIoU=(iou + ground) / 2,
        aAcc=100 * (tp + tn) / (tp + fp + fn + tn),
    )


def test_scores_are_those_of_the_predictions(runs, results):
    arms = {arm['label']: arm for arm in results['arms']}
    assert list(arms) == ['unet_baseline_seed0', 'unet_backbone_scratch', '<b>bold']
    for run, entry in zip(
        runs[:4], [run for arm in results['arms'] for run in arm['runs']], strict=True
    ):
        assert entry['work_dir'] == run.name
        expected = scores(*np.sum(by_hand(run), axis=0))
        assert 0 < expected['rock_Dice'] < 100
        found = {name: entry['scores'][name] for name in expected}
        assert found == pytest.approx(expected)
        assert entry['best_epoch'] == 1 and entry['last_epoch_logged'] == 40.0
    pair = [scores(*np.sum(by_hand(run), axis=0))['rock_Dice'] for run in runs[:2]]
    assert arms['unet_baseline_seed0']['mean']['rock_Dice'] == pytest.approx(sum(pair) / 2)
    # the standard deviation of two values
    expected = abs(pair[0] - pair[1]) / 2**0.5
    assert arms['unet_baseline_seed0']['spread']['rock_Dice'] == pytest.approx(expected)
    assert arms['unet_backbone_scratch']['spread']['rock_Dice'] is None


def test_difference_and_test_are_paired_over_images(runs, results):
    first = np.mean([[dice(*image) for image in by_hand(run)] for run in runs[:2]], axis=0)
    other = np.array([dice(*image) for image in by_hand(runs[2])])
    found = results['arms'][1]['against_first']
    assert found['p'] == pytest.approx(wilcoxon(other - first).pvalue)
    means = [arm['mean']['rock_Dice'] for arm in results['arms']]
    assert found['difference'] == pytest.approx(means[1] - means[0])
    assert found['low'] < found['difference'] < found['high'] and found['images'] == 8
    assert results['arms'][0]['against_first'] is None


def test_the_image_that_decides_is_named(runs, results):
    sides = [[by_hand(run) for run in runs[:2]], [by_hand(runs[2])]]

    def without(left_out):
        first, other = (
            np.mean([dice(*np.delete(run, left_out, axis=0).sum(axis=0)) for run in side])
            for side in sides
        )
        return other - first

    found = results['arms'][1]['against_first']
    moved = [abs(without(i) - found['difference']) for i in range(8)]
    assert max(moved) > 0
    assert found['decisive'] == results['test_data']['images'][int(np.argmax(moved))]
    assert found['without'] == pytest.approx(without(int(np.argmax(moved))))


def test_parameters_are_counted(runs, results):
    for run, arm in zip((runs[0], runs[2], runs[3]), results['arms'], strict=True):
        state = torch.load(run / 'best_rock_Dice_epoch_1.pth')['state_dict']
        buffers = ('running_mean', 'running_var', 'num_batches_tracked')
        counted = sum(t.numel() for name, t in state.items() if not name.endswith(buffers))
        assert arm['parameters'] == counted
        assert arm['flops'] > 1e6 and arm['images_per_second'] > 0


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


def test_changes_are_those_of_the_experiment(results):
    base, scratch, _ = (arm['changes'] for arm in results['arms'])
    assert base['model.backbone.widths'] == '[4, 8, 8, 8, 8]'
    assert base['train_cfg.max_epochs'] == '2'
    assert base['*_dataloader.dataset.load_size'] == '[64, 64]'
    assert scratch['model.backbone.type'] == 'MoonNet'
    assert not [key for key in base if 'seed' in key or 'work_dir' in key or 'num_workers' in key]


def test_classifier_is_in_a_table_of_its_own(results):
    (entry,) = results['classifiers']
    counts = np.array(entry['confusion_counts'])
    assert counts.sum() == 8 and entry['images'] == 8
    assert entry['top1'] == pytest.approx(100 * np.trace(counts) / 8)
    assert len(entry['classes']) == 4 and entry['parameters'] == 129_012
    assert [stage['name'] for stage in entry['architecture']['stages']][-2:] == ['pool', 'output']


def test_networks_and_the_three_numbers_are_on_the_pages(report, results):
    markdown, page = ((report / f'report.{kind}').read_text() for kind in ('md', 'html'))
    first, second, _ = results['arms']
    for name in ('rock_Dice', 'rock_image_Dice', 'rock_object_F1'):
        ends = second['intervals'][name]
        shown = f'{second["mean"][name]:.2f} [{ends[0]:.2f}, {ends[1]:.2f}]'
        found = second['differences'][name]
        difference = f'{found["difference"]:+.2f} [{found["low"]:+.2f}, {found["high"]:+.2f}]'
        assert all(words in text for words in (shown, difference) for text in (markdown, page))
    for arm in (first, second):
        assert sum(s['parameters'] for s in arm['architecture']['stages']) == arm['parameters']
        for stage in arm['architecture']['stages']:
            row = f'{stage["in_channels"]} to {stage["channels"]}'
            assert row in markdown and row in page


def test_the_data_holds_what_its_module_says(results):
    """The fields have one home, and the pages do not change them."""
    from custom_modules.reporting import report_data

    def fields(value, depth=0):
        if isinstance(value, dict) and depth < 3:
            for key, inner in value.items():
                yield key
                # scores, settings and images have names of their own
                if key not in (
                    'mean',
                    'spread',
                    'scores',
                    'images',
                    'changes',
                    'software',
                    'left_out',
                    'doubts',
                ):
                    yield from fields(inner, depth + 1)
        elif isinstance(value, list) and value and isinstance(value[0], dict):
            yield from fields(value[0], depth)

    told = report_data.__doc__ + report_data.PairedDifference.__doc__
    found = {*fields({k: v for k, v in results.items() if k != 'classifiers'})}
    scored = {name for arm in results['arms'] for name in arm['mean']}
    unknown = {key for key in found - scored if f'{key}' not in told}
    assert not unknown - {'name', 'size', 'stages', 'picture'}


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
    linked = re.findall(r'!\[.*?\]\((.*?)\)', markdown)
    kinds = [re.sub(r'\d.*|\.png', '', name.removeprefix('pictures/')) for name in linked]
    assert kinds == [
        'learning_curves',
        *[''] * 3,
        'classifier_curves',
        'confusion_',
        *['architecture_'] * 3,
        'architecture_classifier_',
    ]
    assert all((report / name).stat().st_size > 1000 for name in linked)
    # self-contained: pictures are inlined, nothing is fetched
    sources = re.findall(r'(?:src|href)="([^"]*)"', page)
    assert all(s.startswith('data:') or s.endswith('.py') for s in sources) and 'http' not in page


def test_refusals(report, runs, tool, tmp_path, capsys):
    assert tool('report.py', runs[0], '-o', report) == 2
    assert '--overwrite' in capsys.readouterr().err
    assert tool('report.py', tmp_path / 'nowhere', '-o', tmp_path / 'r') == 2
    assert 'there is no work dir' in capsys.readouterr().err
    assert tool('report.py', runs[4], '-o', tmp_path / 'r') == 2
    assert 'unfinished' in capsys.readouterr().err
    assert not (tmp_path / 'r').exists()


def test_seeds_are_told_from_experiments(tmp_path):
    from functools import partial

    from report_runs import make_run

    from custom_modules.reporting.config_changes import flat_config
    from custom_modules.reporting.runs import RunFolder

    make = partial(make_run, tmp_path, 'unet_baseline', weights=False)

    def what(name, seed=0, **options):
        return flat_config(RunFolder(make(seed, name=name, **options)).cfg)

    first = what('first')
    assert what('other_seed', 1) == first
    assert what('quieter', **{'default_hooks.logger.interval': 99}) == first
    assert what('faster', **{'train_dataloader.num_workers': 7}) == first
    # of the same name, but of another folder
    assert what('a', load_from='/a/epoch_1.pth') != what('b', load_from='/b/epoch_1.pth') != first
    assert what('lr', **{'optim_wrapper.optimizer.lr': 0.5}) != first


def test_a_copy_is_no_seed_and_a_typo_no_option(runs, tmp_path, tool, capsys):
    shutil.copytree(runs[0], tmp_path / 'copy')
    assert tool('report.py', runs[0], tmp_path / 'copy', '-o', tmp_path / 'r', '--images', '1') == 0
    results = json.loads((tmp_path / 'r' / 'results.json').read_text())
    assert [len(arm['runs']) for arm in results['arms']] == [1]
    assert 'a copy is no other seed' in results['left_out'][str(tmp_path / 'copy')]
    options = ['--cfg-options', 'foo.bar=1']
    assert tool('report.py', runs[0], '-o', tmp_path / 's', *options) == 2
    assert 'would change nothing' in capsys.readouterr().err


def test_a_moved_copy_of_the_validation_images_is_known_again(
    repository, moon, tmp_path, monkeypatch
):
    monkeypatch.setenv('MOON_DATA', str(moon))
    init_default_scope('mmseg')
    cfg = Config.fromfile(repository / 'configs' / 'unet_baseline.py')
    moved = shutil.copytree(moon, tmp_path / 'moved')
    files = sorted((moved / 'images' / 'render').iterdir())
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
