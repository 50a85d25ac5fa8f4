"""A sweep is known before it starts, skips what is done, resumes what is not, survives what crashes, and never does a run twice."""

import glob
import itertools
import json
import os
import shutil
import signal
import sys
import threading
import time
from pathlib import Path

import pytest
from conftest import MOON_OPTIONS, write_config
from mmengine.config import Config

from custom_modules.engine.work_dirs import is_locked, lock_work_dir
from custom_modules.reporting.runs import logged_progress
from custom_modules.sweep import plan
from custom_modules.sweep.plan import combine, plan_sweep
from custom_modules.sweep.sweep import LocalExecutor, run_sweep
from custom_modules.utils.errors import UsageError


def test_what_is_varied_is_part_of_the_folder(small):
    vary = ['train_cfg.max_epochs=1,2', 'randomness.deterministic=True']
    runs = plan_sweep([small], [3], 'root', ['randomness.diff_rank_seed=True'], vary)
    assert [run.name for run in runs] == [f'small__max_epochs_{n}__deterministic_True' for n in (1, 2)]
    assert [run.cfg.train_cfg.max_epochs for run in runs] == [1, 2]
    assert runs[1].cfg.randomness.diff_rank_seed is True and 'train_cfg.max_epochs=2' in runs[1].options
    assert runs[0].command[-1] == 'randomness.seed=3'
    # two that end alike are told apart, a file is named without its folder, and a list is one value
    found = combine(['a.x.lr=1', 'b.y.lr=ckpt/some.pth', 'c.w=[4,8],[8,16]'])
    assert [name for name, _ in found] == ['__x.lr_1__y.lr_some__c.w_4-8', '__x.lr_1__y.lr_some__c.w_8-16']
    assert found[1][1] == ['a.x.lr=1', 'b.y.lr=ckpt/some.pth', 'c.w=[8,16]']


@pytest.mark.parametrize(
    'arguments, words',
    [
        (dict(seeds=[0, 0]), 'different numbers from 0 on, got .0, 0.'),
        (dict(options=['randomness.seed=3']), 'sets randomness.seed by itself'),
        (dict(options=['train_cfg.max_epochs=None']), 'not trained by epochs'),
        (dict(options=['compile=1'], vary=['compile=1,2']), 'set by --cfg-options and by --vary'),
        (dict(vary=['compile=1', 'compile=2']), 'names compile twice'),
        *((dict(vary=[text]), 'KEY=V1,V2') for text in ('=1', 'lr=1,,2', 'lr=1,1')),
        (dict(configs=['small.py', 'sub/small.py']), 'would both be written to'),
        (dict(configs=['broken.py']), r'broken.py cannot be read \(SyntaxError'),
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


def test_a_training_set_that_names_fold_has_to_be_cut(tmp_path):
    text = (
        "more = dict(_base_.moon, data_root='elsewhere', split='all', fold=None)\n"
        'parts = [dict(_base_.moon, split="train"), more]\n'
        'train_dataloader = dict(dataset=dict(_delete_=True, type="ConcatDataset", datasets=parts))\n'
    )
    config = write_config(tmp_path / 'two.py', 'unet_baseline', text)
    with pytest.raises(UsageError, match="datasets.1 has split='all', of which no fold is held out"):
        plan_sweep([config], [0], 'root', folds=5)


def test_every_fold_is_a_run_of_every_seed(repository, monkeypatch):
    monkeypatch.setattr('custom_modules.sweep.plan.require_data_folders', lambda cfg: None)
    configs = [repository / 'configs' / f'{name}.py' for name in ('unet_baseline', 'rock_detector')]
    runs = plan_sweep(configs, [0, 7], 'root', folds=2)
    folders = [f'seed_{seed}_fold{fold}' for seed in (0, 7) for fold in (0, 1)]
    assert [(run.folder.name, run.name) for run in runs] == list(itertools.product(folders, ('unet_baseline', 'rock_detector')))
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
    assert {(own.dataset.fold, own.dataset.val_fraction) for own in (photographs, *sparse)} == {(1, 0.0)}


CRASHES, ENDS_EARLY, IS_KILLED = 13, 14, 15
STUB = """
import json, os, shutil, signal, sys, time
from pathlib import Path
from filelock import FileLock, Timeout
folder, config, seed, seconds = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), float(sys.argv[4])
lock = FileLock(folder / 'training.lock', timeout=0.1)
try:
    lock.acquire()
except Timeout:
    sys.exit('another process is training')
if (folder / 'epoch_2.pth').exists():
    sys.exit()
with (folder.parent.parent / 'started.txt').open('a') as file:
    file.write(f'{folder.parent.name} {folder.name}\\n')
began = time.time()
time.sleep(seconds)
(folder / 'times.json').write_text(json.dumps([began, time.time()]))
if seed == 13:
    sys.exit('RuntimeError: out of luck')
if seed == 15:
    os.kill(os.getpid(), signal.SIGKILL)
logs = folder / '20260101_000000' / 'vis_data'
logs.mkdir(parents=True)
epochs = 1 if seed == 14 else 2
rows = [row for n in range(1, epochs + 1) for row in (dict(loss=1.0, epoch=n, step=n), dict(rock_Dice=10.0 * n, step=n))]
(logs / 'scalars.json').write_text(''.join(json.dumps(row) + '\\n' for row in rows))
shutil.copy(config, folder / 'small.py')
(folder / f'epoch_{epochs}.pth').touch()
"""


def stub_command(run, seconds: float = 0.0) -> list[str]:
    # the config as a training dumps it
    cfg = run.folder.parent / f'{run.folder.name}.py'
    if not cfg.exists() or Config.fromfile(cfg).to_dict() != run.cfg.to_dict():
        cfg.parent.mkdir(parents=True, exist_ok=True)
        run.cfg.dump(cfg)
    return [sys.executable, '-c', STUB, *map(str, (run.folder, cfg, run.seed, seconds))]


def planned(config: Path, root: Path, seeds=(0,), **options) -> list[plan.Run]:
    return plan.plan_sweep([config], seeds, root, [f'{k}={v}' for k, v in options.items()])


def swept(runs, jobs: int = 1, **options) -> bool:
    return run_sweep(runs, LocalExecutor(jobs), pause=0.02, **options)


def states(runs) -> list[str]:
    return [run.state for run in runs]


def started(root: Path) -> list[str]:
    return [line for file in root.glob('started.txt') for line in file.read_text().splitlines()]


@pytest.fixture
def stub(monkeypatch):
    """Runs are stubs, that take no time, or some seconds."""

    def install(seconds: float = 0.0) -> None:
        monkeypatch.setattr(plan.Run, 'command', property(lambda run: stub_command(run, seconds)))

    install()
    return install


def test_a_run_that_fails_ends_no_other(small, stub, tmp_path):
    """Side by side, and no more than there are jobs."""
    stub(0.5)
    runs = planned(small, tmp_path / 'root', [0, CRASHES, ENDS_EARLY, IS_KILLED, 1])
    assert swept(runs, jobs=2)
    times = [json.loads((run.folder / 'times.json').read_text()) for run in runs]
    assert max(sum(other[0] <= begin < other[1] for other in times) for begin, _ in times) == 2
    assert states(runs) == ['finished', 'failed', 'failed', 'failed', 'finished']
    crashed, short, killed = (run.note for run in runs[1:4])
    assert crashed == f'exit code 1: RuntimeError: out of luck ({runs[1].folder}/sweep.log)'
    assert 'it ended too early: unfinished: 1 of 2 epochs' in short and 'exit code -9' in killed
    assert logged_progress(runs[0].folder, runs[0].cfg) == (2, 20.0)
    assert not any(is_locked(run.folder) for run in runs)


def test_what_is_finished_is_skipped_and_the_rest_goes_on(small, stub, tmp_path):
    root, told = tmp_path / 'root', []
    swept(planned(small, root, [0, ENDS_EARLY]))
    runs = planned(small, root, [0, ENDS_EARLY, 1])
    stub(0.3)
    swept(runs, tell=lambda run: told.append((run.seed, run.state, run.note)))
    # the finished one once
    assert started(root) == [f'small seed_{seed}' for seed in (0, ENDS_EARLY, ENDS_EARLY, 1)]
    assert told[0] == (0, 'finished', 'was there')
    assert told[1] == (ENDS_EARLY, 'runs', 'goes on (unfinished: 1 of 2 epochs)')
    assert told[-1] == (1, 'finished', '')


def test_two_sweeps_share_the_work(small, stub, tmp_path):
    stub(0.5)
    root, seeds = tmp_path / 'root', [0, CRASHES, 1, 2]
    both = [planned(small, root, seeds) for _ in range(2)]
    # one that both find taken at first
    lock = lock_work_dir(root / 'small' / 'seed_1')
    threads = [threading.Thread(target=swept, args=(runs,)) for runs in both]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + 20
    while any('another sweep is at it' not in runs[2].note for runs in both):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    lock.release()
    for thread in threads:
        thread.join(30)
    assert states(both[0]) == states(both[1]) == ['finished', 'failed', 'finished', 'finished']
    # each once, the crash as well
    assert sorted(started(root)) == [f'small seed_{seed}' for seed in (0, 1, CRASHES, 2)]


def test_ctrl_c_ends_the_trainings_and_the_next_sweep_goes_on(small, stub, tmp_path):
    root = tmp_path / 'root'
    stub(60)
    runs, began = planned(small, root, [0, 1]), time.monotonic()
    assert not swept(runs, watch=lambda: started(root) and os.kill(os.getpid(), signal.SIGINT))
    assert states(runs) == ['interrupted', 'waits'] and time.monotonic() - began < 20
    assert 'KeyboardInterrupt' in (runs[0].folder / 'sweep.log').read_text()
    assert not is_locked(runs[0].folder)
    stub()
    runs = planned(small, root, [0, 1])
    assert swept(runs) and states(runs) == ['finished', 'finished']


def test_another_config_is_refused_or_moved_aside(small, stub, tmp_path, refused):
    root = tmp_path / 'root'
    swept(planned(small, root))
    changed = planned(small, root, **{'train_cfg.max_epochs': 1})
    assert changed[0].inspect() == ('changed', 'train_cfg.max_epochs is 1 and was 2')
    said = 'in which train_cfg.max_epochs is 1 and was 2: write elsewhere'
    refused(said, 'sweep.py', small, '--work-dir', root, '--cfg-options', 'train_cfg.max_epochs=1')
    swept(changed)
    assert states(changed) == ['failed'] and 'other config' in changed[0].note
    old = (changed[0].folder / 'epoch_2.pth').stat().st_ino
    changed = planned(small, root, **{'train_cfg.max_epochs': 1})
    swept(changed, rerun=True)
    assert states(changed) == ['finished'] and len(started(root)) == 2
    (kept,) = root.glob('.replaced/small/seed_0-*/epoch_2.pth')
    assert kept.stat().st_ino == old


def test_the_tool_says_what_it_would_do_and_how_it_ended(tool, tmp_path, small, stub, capsys):
    root = tmp_path / 'root'
    sweep = ['sweep.py', small, '--work-dir', root]
    assert tool(*sweep, '--seeds', '0', '1', '--dry-run') == 0
    rows = [line for line in capsys.readouterr().out.splitlines() if line.startswith('| small')]
    assert len(rows) == 2 and all('| new ' in row for row in rows)
    assert not root.exists()
    assert tool(*sweep, '--seeds', '0', str(CRASHES)) == 1
    said = capsys.readouterr()
    assert '1 of 2 runs failed' in said.err and 'out of luck' in said.out
    stub(60)
    threading.Timer(3, os.kill, (os.getpid(), signal.SIGINT)).start()
    assert tool(*sweep, '--seeds', '1') == 130
    assert 'the same command goes on' in capsys.readouterr().err


def test_one_real_sweep_from_config_to_report(tool, repository, moon, tmp_path, capfd):
    config = repository / 'configs' / 'unet_baseline.py'
    options = ['--cfg-options', *MOON_OPTIONS, 'model.backbone.widths=[4,4,4,4,4]']
    vary = ['--vary', 'train_dataloader.dataset.train_fraction=0.5']
    arguments = ['sweep.py', config, '--work-dir', tmp_path / 'root', *options, *vary]
    assert tool(*arguments, '--report', tmp_path / 'report') == 0
    name = 'unet_baseline__train_fraction_0.5'
    (run,) = glob.glob(f'{tmp_path}/root/*/*')
    assert run == str(tmp_path / 'root' / name / 'seed_0')
    # a dry run knows that it is done: what a training dumps is what was planned
    capfd.readouterr()
    assert tool(*arguments, '--dry-run') == 0
    assert '| finished |' in capfd.readouterr().out
    (arm,) = json.loads((tmp_path / 'report' / 'results.json').read_text())['arms']
    assert arm['label'] == name and arm['runs'][0]['work_dir'] == f'{name}/seed_0'
