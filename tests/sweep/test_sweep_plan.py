"""What a sweep would do is known, and its mistakes are, before anything starts."""

import shutil

import pytest

import custom_modules.segmentation  # noqa: F401
from custom_modules.sweep.plan import combine, plan_sweep
from custom_modules.utils.errors import UsageError


def test_what_is_varied_is_part_of_the_folder(small):
    vary = ['train_cfg.max_epochs=1,2', 'randomness.deterministic=True']
    runs = plan_sweep([small], [3], 'root', ['randomness.diff_rank_seed=True'], vary)
    assert [run.name for run in runs] == [
        'small__max_epochs_1__deterministic_True',
        'small__max_epochs_2__deterministic_True',
    ]
    assert [run.cfg.train_cfg.max_epochs for run in runs] == [1, 2]
    assert runs[1].cfg.randomness.diff_rank_seed is True
    assert 'train_cfg.max_epochs=2' in runs[1].options
    assert runs[0].command[-1] == 'randomness.seed=3'
    # two that end alike are told apart, a file is named without its folder
    names = combine(['a.x.lr=1', 'b.y.lr=ckpt/some.pth'])
    assert [name for name, _ in names] == ['__x.lr_1__y.lr_some']
    lists = [own for _, own in combine(['widths=[4,8],[8,16]'])]
    assert lists == [['widths=[4,8]'], ['widths=[8,16]']]


@pytest.mark.parametrize(
    'arguments, words',
    [
        (dict(seeds=[0, 0]), 'different numbers from 0 on, got .0, 0.'),
        (dict(seeds=[-1]), 'different numbers from 0 on'),
        (dict(options=['train_cfg.max_epochs']), 'a setting is written KEY=VALUE'),
        (dict(options=['train_cgf.max_epochs=3']), 'would change nothing'),
        (dict(options=['train_cfg.max_epochs=(3,4']), 'every bracket and quote has to close'),
        (dict(options=['randomness.seed=3']), 'sets randomness.seed by itself'),
        (dict(options=['train_cfg.max_epochs=None']), 'not trained by epochs'),
        (dict(options=['compile=1'], vary=['compile=1,2']), 'set by --cfg-options and by --vary'),
        (dict(vary=['compile=a b,a/a-b']), 'would both be written to'),
        (dict(vary=['compile=1', 'compile=2']), 'names compile twice'),
        *((dict(vary=[text]), 'KEY=V1,V2') for text in ('lr', '=1', 'lr=', 'lr=1,,2', 'lr=1,1')),
        (dict(configs=['small.py', 'nowhere.py']), 'nowhere.py: there is no config nowhere.py'),
        (dict(configs=['small.py', 'sub/small.py']), 'would both be written to'),
        (dict(configs=['broken.py']), r'broken.py cannot be read \(SyntaxError'),
        (dict(folds=1), 'at least 2, got 1'),
        (dict(folds=5), 'there are none: leave it out'),
    ],
)
def test_mistakes_are_one_sentence_before_anything_starts(small, tmp_path, monkeypatch, arguments, words):
    (tmp_path / 'sub').mkdir()
    shutil.copy(small, tmp_path / 'sub')
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'broken.py').write_text('model = (')
    with pytest.raises(UsageError, match=words):
        plan_sweep(**{'configs': ['small.py'], 'seeds': [0], 'root': 'root', **arguments})
    assert not (tmp_path / 'root').exists()


def test_a_training_set_that_names_fold_has_to_be_cut(repository, tmp_path):
    (tmp_path / 'two.py').write_text(
        f"_base_ = ['{repository.as_posix()}/configs/unet_baseline.py']\n"
        "more = dict(_base_.moon, data_root='elsewhere', split='all', fold=None)\n"
        'parts = [dict(_base_.moon, split="train"), more]\n'
        'train_dataloader = dict(dataset=dict(_delete_=True, type="ConcatDataset", datasets=parts))\n'
    )
    words = "datasets.1 has split='all', of which no fold is held out"
    with pytest.raises(UsageError, match=words):
        plan_sweep([tmp_path / 'two.py'], [0], 'root', folds=5)


def test_every_fold_is_a_run_of_every_seed(repository, monkeypatch):
    monkeypatch.setattr('custom_modules.sweep.plan.require_data_folders', lambda cfg: None)
    configs = [repository / 'configs' / f'{name}.py' for name in ('unet_baseline', 'rock_detector')]
    runs = plan_sweep(configs, [0, 7], 'root', folds=2)
    assert [(run.name, run.folder.name) for run in runs] == [
        (name, f'seed_{seed}_fold{fold}')
        for seed in (0, 7)
        for fold in (0, 1)
        for name in ('unet_baseline', 'rock_detector')
    ]
    for part in ('train', 'val', 'test'):
        dataset = runs[2].cfg[f'{part}_dataloader'].dataset
        assert (dataset.fold, dataset.folds) == (1, 2)
        assert f'{part}_dataloader.dataset.fold=1' in runs[2].options
    # what is held out is what is tested on, though the config tests on the validation part
    assert runs[1].cfg.test_dataloader.dataset.split == 'test'
    assert runs[1].cfg.val_dataloader.dataset.split == 'val'
    # beside the folds of the renders, all of the synthetic scenes
    renders, more, photographs, scenes, *sparse = runs[3].cfg.train_dataloader.dataset.datasets
    assert renders.dataset.data_root == runs[3].cfg.test_dataloader.dataset.data_root
    assert (renders.dataset.fold, renders.dataset.folds) == (1, 2)
    assert not any('fold' in own.dataset for own in (more, scenes))
    # these ask for it
    asking = (photographs, *sparse)
    assert {(own.dataset.fold, own.dataset.val_fraction) for own in asking} == {(1, 0.0)}
