"""A sweep skips what is done, resumes what is not, survives what crashes, and never does a run twice."""

import glob
import json
import os
import runpy
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from conftest import MOON_OPTIONS, make_moon
from mmengine.config import Config
from report_runs import write_scalars

import custom_modules.segmentation  # noqa: F401
from custom_modules.reporting.runs import RunFolder
from custom_modules.sweep.factor import Factor, combinations
from custom_modules.sweep.plan_sweep import plan_sweep
from custom_modules.sweep.planned_run import PlannedRun
from custom_modules.sweep.require_no_other_config import require_no_other_config
from custom_modules.sweep.run_lock import RunLock
from custom_modules.sweep.run_record import RunRecord
from custom_modules.sweep.sweep import Sweep
from custom_modules.utils.errors import UsageError

# a training in small: notes that it was started, does as its seed says, leaves what a training leaves
STUB = """
import json, shutil, sys, time
from pathlib import Path
folder, config, seed, seconds = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), float(sys.argv[4])
with (folder.parent.parent / 'started.txt').open('a') as file:
    file.write(f'{folder.parent.name} {seed}\\n')
time.sleep(seconds)
if seed == 13:
    print('RuntimeError: out of luck')
    sys.exit(3)
logs = folder / '20260101_000000' / 'vis_data'
logs.mkdir(parents=True)
epochs = 1 if seed == 14 else 2
with (logs / 'scalars.json').open('w') as file:
    for epoch in range(1, epochs + 1):
        file.write(json.dumps(dict(loss=1.0, lr=0.1, epoch=epoch, iter=epoch, step=epoch)) + '\\n')
        file.write(json.dumps(dict(rock_Dice=10.0 * epoch, step=epoch)) + '\\n')
shutil.copy(config, folder / 'small.py')
(folder / f'epoch_{epochs}.pth').touch()
(folder / 'last_checkpoint').write_text(f'/x/epoch_{epochs}.pth')
"""
SMALL = dict(
    train_cfg=dict(max_epochs=2),
    default_hooks=dict(
        checkpoint=dict(type='CheckpointAfterValHook', save_best='rock_Dice', rule='greater')
    ),
    randomness=dict(seed=0),
)


@pytest.fixture
def small(tmp_path) -> Path:
    """A config of two epochs."""
    path = tmp_path / 'small.py'
    Config(SMALL).dump(path)
    return path


def planned(config: Path, root: Path, seeds=(0,), **options) -> list[PlannedRun]:
    return plan_sweep([config], seeds, root, [f'{k}={v}' for k, v in options.items()])


def stub(seconds: float = 0.0, started: list | None = None):
    def command(run: PlannedRun) -> list[str]:
        if started is not None:
            started.append(run.folder.name)
        # the config as a training dumps it
        dump = run.folder / 'dump'
        dump.mkdir(exist_ok=True)
        run.cfg.dump(dump / 'cfg.py')
        arguments = [str(run.folder), str(dump / 'cfg.py'), str(run.seed), str(seconds)]
        return [sys.executable, '-c', STUB, *arguments]

    return command


def swept(runs, command=None, **options) -> Sweep:
    sweep = Sweep(runs, command or stub(), pause=0.01, **options)
    sweep.complete = sweep.run()
    return sweep


def states(sweep) -> list[str]:
    return [outcome.state for outcome in sweep.outcomes]


def test_all_configs_come_with_the_first_seed_first(small, tmp_path):
    other = tmp_path / 'other.py'
    Config(SMALL).dump(other)
    runs = plan_sweep([small, other], [0, 1], 'root')
    assert [str(run.folder) for run in runs] == [
        f'root/{name}/seed_{seed}' for seed in (0, 1) for name in ('small', 'other')
    ]


def test_what_is_varied_is_part_of_the_folder(small):
    factors = [Factor.of('train_cfg.max_epochs=1,2'), Factor.of('randomness.deterministic=True')]
    runs = plan_sweep([small], [3], 'root', ['randomness.diff_rank_seed=True'], factors)
    assert [run.name for run in runs] == [
        'small__max_epochs_1__deterministic_True',
        'small__max_epochs_2__deterministic_True',
    ]
    assert [run.epochs for run in runs] == [1, 2]
    assert runs[1].cfg.randomness.diff_rank_seed is True
    assert 'train_cfg.max_epochs=2' in runs[1].options
    # two that end alike are told apart, a file is named without its folder
    names = combinations([Factor.of('a.x.lr=1'), Factor.of('b.y.lr=ckpt/some.pth')])
    assert [name for name, _ in names] == ['__x.lr_1__y.lr_some']


@pytest.mark.parametrize(
    'arguments, words',
    [
        (dict(seeds=[0, 0]), 'different numbers from 0 on, got 0 0'),
        (dict(seeds=[-1]), 'different numbers from 0 on'),
        (dict(options=['train_cfg.max_epochs']), 'a setting is written KEY=VALUE'),
        (dict(options=['train_cgf.max_epochs=3']), 'would change nothing'),
        (dict(options=['train_cfg.max_epochs=(3,4']), 'every bracket and quote has to close'),
        (dict(options=['randomness.seed=3']), 'sets randomness.seed by itself'),
        (dict(options=['train_cfg.max_epochs=None']), 'not trained by epochs'),
        (
            dict(options=['compile=1'], factors=[Factor('compile', ('1', '2'))]),
            'compile is set by --cfg-options and by --vary',
        ),
        (dict(factors=[Factor('compile', ('a b', 'a/a-b'))]), 'would both be written to'),
        (dict(configs=['small.py', 'nowhere.py']), 'nowhere.py: there is no config nowhere.py'),
        (dict(configs=['small.py', 'sub/small.py']), 'would both be written to'),
        (dict(configs=['broken.py']), r'broken.py cannot be read \(SyntaxError'),
    ],
)
def test_mistakes_are_one_sentence_before_anything_starts(
    small, tmp_path, monkeypatch, arguments, words
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'broken.py').write_text('model = (')
    (tmp_path / 'sub').mkdir()
    Config(SMALL).dump(tmp_path / 'sub' / 'small.py')
    with pytest.raises(UsageError, match=words):
        plan_sweep(**{'configs': ['small.py'], 'seeds': [0], 'root': 'root', **arguments})
    assert not (tmp_path / 'root').exists()


@pytest.mark.parametrize('text', ['lr', '=1', 'lr=', 'lr=1,,2', 'lr=1,1'])
def test_a_factor_is_a_key_and_different_values(text):
    with pytest.raises(UsageError, match='KEY=V1,V2'):
        Factor.of(text)


def test_data_that_is_not_there_is_found_before_anything_starts(repository, tmp_path, monkeypatch):
    monkeypatch.setenv('MOON_DATA', str(tmp_path / 'nowhere'))
    config = repository / 'configs' / 'unet_baseline.py'
    with pytest.raises(UsageError, match='The Moon data set was looked for in'):
        plan_sweep([config], [0], 'root')
    monkeypatch.setenv('MOON_DATA', str(make_moon(tmp_path / 'moon', count=5, size=32)))
    with pytest.raises(UsageError, match='at most 1, got 25'):
        plan_sweep([config], [0], 'root', ['train_dataloader.dataset.train_fraction=25'])


def test_a_crash_ends_nothing_else(small, tmp_path):
    runs = planned(small, tmp_path / 'root', [0, 13, 14, 1])
    sweep = swept(runs)
    assert states(sweep) == ['finished', 'failed', 'failed', 'finished'] and sweep.complete
    crashed, short = (outcome.note for outcome in sweep.outcomes[1:3])
    assert crashed == f'exit code 3: RuntimeError: out of luck ({runs[1].folder}/sweep.log)'
    assert 'ended too early: unfinished: 1 of 2 epochs' in short
    assert (sweep.outcomes[0].epoch, sweep.outcomes[0].best) == (2, 20.0)
    assert not list((tmp_path / 'root').rglob('sweep.lock'))


def test_what_is_finished_is_skipped_and_the_rest_goes_on(small, tmp_path):
    root, started = tmp_path / 'root', []
    swept(planned(small, root, [0, 14]))
    again = swept(planned(small, root, [0, 14, 1]), stub(0, started))
    assert started == ['seed_14', 'seed_1']
    assert [outcome.note for outcome in again.outcomes][0] == 'was there'
    assert planned(small, root, [14])[0].resumable


def test_jobs_run_side_by_side_and_no_more(small, tmp_path):
    most = []
    began = time.monotonic()
    sweep = swept(
        planned(small, tmp_path / 'root', range(4)),
        stub(0.5),
        jobs=2,
        watch=lambda outcomes: most.append(len(outcomes)),
    )
    assert states(sweep) == ['finished'] * 4 and max(most) == 2
    assert time.monotonic() - began >= 1.0


def test_two_sweeps_share_the_work(small, tmp_path):
    root, seeds = tmp_path / 'root', [0, 13, 1, 2]
    sweeps = [Sweep(planned(small, root, seeds), stub(0.2), pause=0.01) for _ in range(2)]
    # one that both find taken at first
    lock = RunLock(root / 'small' / 'seed_1')
    assert lock.acquire()
    threads = [threading.Thread(target=sweep.run) for sweep in sweeps]
    for thread in threads:
        thread.start()
    time.sleep(1)
    assert all(f'left to process {os.getpid()}' in sweep.outcomes[2].note for sweep in sweeps)
    lock.release()
    for thread in threads:
        thread.join(30)
    expected = ['finished', 'failed', 'finished', 'finished']
    assert states(sweeps[0]) == states(sweeps[1]) == expected
    began = (root / 'started.txt').read_text().splitlines()
    # each once, the crash as well
    assert sorted(began) == ['small 0', 'small 1', 'small 13', 'small 2']


def test_a_lock_of_the_living_holds_and_one_of_the_dead_does_not(tmp_path):
    first, second = RunLock(tmp_path), RunLock(tmp_path)
    assert first.acquire() and not second.acquire()
    assert f'process {os.getpid()} on' in second.holder
    first.release()
    assert not first.path.exists() and second.acquire()
    second.release()
    # a sweep that was killed: its training holds the lock until it has ended
    script = (
        'import subprocess, sys, os, time\n'
        f'sys.path.insert(0, {str(Path(__file__).parents[1])!r})\n'
        'from pathlib import Path\nfrom custom_modules.sweep.run_lock import RunLock\n'
        f'lock = RunLock(Path({str(tmp_path)!r}))\nassert lock.acquire()\n'
        'child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"],'
        ' pass_fds=[lock.fileno()], stdout=subprocess.DEVNULL)\n'
        'print(child.pid, flush=True)\nos._exit(9)\n'
    )
    child = int(
        subprocess.run([sys.executable, '-c', script], stdout=subprocess.PIPE).stdout.split()[0]
    )
    try:
        assert first.path.exists() and not first.acquire()
    finally:
        os.kill(child, signal.SIGKILL)
    deadline = time.monotonic() + 5
    while not first.acquire() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert f'process {os.getpid()} on' in first.holder
    first.release()


def test_ctrl_c_ends_the_children_and_the_next_sweep_goes_on(small, tmp_path):
    root = tmp_path / 'root'
    runs = planned(small, root, [0, 1])
    began = time.monotonic()

    def press(outcomes):
        if outcomes and (root / 'started.txt').exists():
            os.kill(os.getpid(), signal.SIGINT)

    sweep = swept(runs, stub(60), watch=press)
    assert not sweep.complete and states(sweep) == ['interrupted', 'waits']
    assert time.monotonic() - began < 20
    # it ended by itself, as by Ctrl-C, and holds nothing any more
    assert 'KeyboardInterrupt' in (runs[0].folder / 'sweep.log').read_text()
    assert not list(root.rglob('sweep.lock'))
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert states(swept(runs)) == ['finished', 'finished']


def test_a_child_that_does_not_listen_is_ended(small, tmp_path):
    deaf = 'import signal, time; signal.signal(signal.SIGINT, signal.SIG_IGN); open("{}", "w"); time.sleep(60)'
    deaf = deaf.format(tmp_path / 'there')

    def press(outcomes):
        if (tmp_path / 'there').exists():
            os.kill(os.getpid(), signal.SIGTERM)

    runs = planned(small, tmp_path / 'root')
    sweep = swept(runs, lambda run: [sys.executable, '-c', deaf], watch=press, grace=0.2)
    assert states(sweep) == ['interrupted']


def test_another_config_is_refused_or_moved_aside(small, tmp_path):
    root = tmp_path / 'root'
    swept(planned(small, root))
    changed = planned(small, root, **{'train_cfg.max_epochs': 1})
    record = RunRecord.of(changed[0])
    assert (record.state, record.detail) == ('changed', 'train_cfg.max_epochs is 1 and was 2')
    with pytest.raises(UsageError, match='max_epochs is 1 and was 2: .*--work-dir.*--rerun'):
        require_no_other_config([(changed[0], record)])
    # of seeds and of what only changes the speed it is the same
    require_no_other_config([(run, RunRecord.of(run)) for run in planned(small, root, [0, 1])])
    sweep = swept(changed)
    assert states(sweep) == ['failed'] and 'other config' in sweep.outcomes[0].note
    old = (changed[0].folder / 'epoch_2.pth').stat().st_ino
    assert states(swept(changed, rerun=True)) == ['finished']
    (kept,) = root.glob('.replaced/small/seed_0-*/epoch_2.pth')
    assert kept.stat().st_ino == old
    # as a shell's * finds them
    assert glob.glob(f'{root}/*/*') == [str(changed[0].folder)]


def test_a_last_epoch_without_its_checkpoint_is_not_finished(small, tmp_path):
    run = planned(small, tmp_path / 'root')[0]
    swept([run])
    assert RunRecord.of(run).state == 'finished'
    (run.folder / 'last_checkpoint').write_text('/x/epoch_1.pth')
    assert RunRecord.of(run).detail == 'the checkpoint of epoch 2 was not written'
    for path in run.folder.glob('*.pth'):
        path.unlink()
    assert RunRecord.of(run).state == 'new'


def test_a_resumed_run_is_of_the_same_config(tmp_path):
    """Its config says where it went on from; what it began with counts."""
    from custom_modules.reporting.config_changes import flat_config

    def flat(name, *starts):
        for number, (resume, load_from) in enumerate(starts, 1):
            start = tmp_path / name / f'2026010{number}_000000'
            write_scalars(start, [number], [{'rock_Dice': 1.0}])
            cfg = Config(dict(SMALL, resume=resume, load_from=load_from))
            cfg.dump(start / 'vis_data' / 'config.py')
        cfg.dump(tmp_path / name / 'small.py')
        return flat_config(RunFolder(tmp_path / name).cfg)

    plain, loaded = flat('a', (False, None)), flat('b', (False, '/x/a.pth'))
    assert flat('c', (False, None), (True, None), (True, None)) == plain
    assert flat('d', (False, '/x/a.pth'), (True, None)) == loaded != plain


def test_rows_of_a_report_are_named_after_the_sweep(tmp_path):
    from custom_modules.reporting.comparison import Comparison

    def labels(*folders):
        comparison = Comparison.__new__(Comparison)
        comparison.arms = []
        for folder in folders:
            run = RunFolder.__new__(RunFolder)
            run.path = tmp_path / folder
            arm = SimpleNamespace(name='unet', first=SimpleNamespace(run=run))
            comparison.arms.append(arm)
        return comparison.labels()

    assert labels('unet/seed_0') == ['unet']
    assert labels('unet__share_0.5/seed_0') == ['unet__share_0.5']
    assert labels('unet/seed_0', 'unet__share_0.5/seed_0') == ['unet', 'unet__share_0.5']
    assert labels('a/unet/seed_0', 'b/unet/seed_1') == ['a/unet', 'b/unet']
    assert labels('unet/seed_0', 'unet/seed_1') == ['seed_0', 'seed_1']
    assert labels('unet_seed1', 'unet') == ['unet_seed1', 'unet']


def test_the_tool_refuses_before_it_starts(tool, tmp_path, small, capsys):
    report = tmp_path / 'report'
    report.mkdir()
    (report / 'results.json').touch()
    assert tool('sweep.py', small, '--work-dir', tmp_path / 'root', '--report', report) == 2
    assert '--overwrite' in capsys.readouterr().err
    assert tool('sweep.py', small, '--work-dir', tmp_path / 'root', '--jobs', '0') == 2
    assert 'at least 1, got 0' in capsys.readouterr().err
    assert (
        tool('sweep.py', small, '--work-dir', tmp_path / 'root', '--seeds', '0', '1', '--dry-run')
        == 0
    )
    rows = [line for line in capsys.readouterr().out.splitlines() if line.startswith('| small')]
    assert len(rows) == 2 and all('| new ' in row for row in rows)
    assert not (tmp_path / 'root').exists()


def test_a_report_gets_the_finished_runs_in_the_order_of_the_configs(small, tmp_path, repository):
    other = tmp_path / 'other.py'
    Config(SMALL).dump(other)
    runs = plan_sweep([small, other], [13, 1], tmp_path / 'root')
    sweep = swept(runs)
    tool = runpy.run_path(str(repository / 'tools' / 'sweep.py'))
    args = SimpleNamespace(report='out', overwrite=True)
    command = tool['report_command'](sweep.outcomes, args)
    folders = [str(tmp_path / 'root' / name / 'seed_1') for name in ('small', 'other')]
    assert command[1:] == [
        str(repository / 'tools' / 'report.py'),
        *folders,
        '--out=out',
        '--overwrite',
    ]


def test_one_real_sweep_from_config_to_report(tool, repository, tmp_path, monkeypatch, capfd):
    monkeypatch.setenv('MOON_DATA', str(make_moon(tmp_path / 'moon', count=10)))
    arguments = [
        'sweep.py',
        repository / 'configs' / 'unet_baseline.py',
        '--work-dir',
        tmp_path / 'root',
        '--cfg-options',
        *MOON_OPTIONS,
        'model.backbone.widths=[4,4,4,4,4]',
        '--vary',
        'train_dataloader.dataset.train_fraction=0.5',
    ]
    assert tool(*arguments) == 0
    name = 'unet_baseline__train_fraction_0.5'
    (run,) = glob.glob(f'{tmp_path}/root/*/*')
    assert run == str(tmp_path / 'root' / name / 'seed_0')
    # a dry run knows that it is done: what a training dumps is what was planned
    capfd.readouterr()
    assert tool(*arguments, '--dry-run') == 0
    assert '| finished |' in capfd.readouterr().out
    assert tool('report.py', run, '-o', tmp_path / 'report', '--images', '1') == 0
    (arm,) = json.loads((tmp_path / 'report' / 'results.json').read_text())['arms']
    assert arm['label'] == name and arm['runs'][0]['work_dir'] == f'{name}/seed_0'
    assert arm['changes']['train_dataloader.dataset.train_fraction'] == '0.5'
    assert arm['runs'][0]['last_epoch_logged'] is not None
