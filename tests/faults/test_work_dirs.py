"""A work dir is one run's: no other writes there, what was saved stays sound, and the newest sound checkpoint is found."""

import os
import shutil
import signal
import sys
import time

import pytest
from short_runs import before_step, command, differing, errors, forked, killed_when, run_tool, weights

from custom_modules.engine.work_dirs import last_checkpoint
from custom_modules.utils.errors import UsageError

pytestmark = pytest.mark.usefixtures('data')


@pytest.fixture(scope='module')
def root(data, tmp_path_factory):
    root = tmp_path_factory.mktemp('work_dirs')
    assert run_tool(*command('unet_baseline', root / 'run')) == 0
    return root


@pytest.fixture
def run(root, tmp_path):
    """A copy of a finished run."""
    return shutil.copytree(root / 'run', tmp_path / 'run')


def test_a_folder_with_weights_is_not_overwritten(run, capsys):
    """Also where the note is gone that names the last checkpoint."""
    (run / 'last_checkpoint').unlink()
    before = {path.name: path.stat().st_mtime_ns for path in run.glob('*.pth')}
    assert run_tool(*command('unet_baseline', run)) == 2 and 'already holds a run' in errors(capsys)[0]
    assert before == {path.name: path.stat().st_mtime_ns for path in run.glob('*.pth')}


def test_two_trainings_in_one_folder(tmp_path, capsys):
    """The second is refused while the first works, and may go on as soon as that is dead, loader processes and all."""
    run, marker = tmp_path / 'run', tmp_path / 'at work'
    options = ['train_dataloader.num_workers=2', 'train_dataloader.persistent_workers=True']
    argv = command('unet_baseline', run, options=options)
    process = forked(argv, before_step(1, lambda: (marker.touch(), time.sleep(600))), tmp_path)
    while not marker.exists() and process.is_alive():
        time.sleep(0.05)
    resume = command('unet_baseline', run, '--resume', options=options)
    assert run_tool(*resume) == 2 and 'another process is training in' in errors(capsys)[0]
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    assert run_tool(*resume) == 0 and (run / 'epoch_3.pth').is_file()


@pytest.mark.parametrize('note', ['', 'nowhere/epoch_99.pth', '/root/epoch_2.pth\n', '\0\xff'])
def test_a_note_that_leads_nowhere(note, run):
    """The newest sound checkpoint is taken, whatever the note says."""
    (run / 'last_checkpoint').write_text(note, encoding='latin-1')
    assert last_checkpoint(run).name == ('epoch_2.pth' if 'epoch_2' in note else 'epoch_3.pth')


def test_a_damaged_checkpoint_is_passed_over(run, root, capsys):
    path = run / 'epoch_3.pth'
    path.write_bytes(path.read_bytes()[:2000])
    assert last_checkpoint(run).name == 'epoch_2.pth'
    assert 'epoch_3.pth was not loaded' in capsys.readouterr().out
    # a resume ends as the whole run
    assert run_tool(*command('unet_baseline', run, '--resume')) == 0
    assert not differing(weights(path), weights(root / 'run' / 'epoch_3.pth'))
    path.write_bytes(b'')
    (run / 'epoch_2.pth').write_bytes(b'')
    for gone, count in (('nothing', 2), ('epoch_2.pth', 1), ('last_checkpoint', 1)):
        (run / gone).unlink(missing_ok=True)
        with pytest.raises(UsageError, match=f'none of the {count} checkpoints .* can be read'):
            last_checkpoint(run)
    assert last_checkpoint(run / 'nowhere') is None


@pytest.mark.skipif(sys.platform == 'win32', reason='Windows has no such limit')
def test_a_disk_without_room(root, tmp_path):
    """What was saved before stays, and the run goes on when there is room."""
    run = tmp_path / 'run'

    def limit_the_size_of_files() -> None:
        import resource

        # room for a log, none for a checkpoint
        limit = (root / 'run' / 'epoch_3.pth').stat().st_size // 2
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    code = killed_when(command('unet_baseline', run), before_step(2, limit_the_size_of_files), tmp_path)
    said = (tmp_path / 'output.txt').read_text()
    assert code == 2 and 'Traceback' not in said
    (line,) = [line for line in said.splitlines() if line.startswith('error: ')]
    assert 'epoch_3.pth could not be read or written (file too large)' in line
    assert weights(run / 'epoch_2.pth') and not (run / 'epoch_3.pth').exists()
    assert run_tool(*command('unet_baseline', run, '--resume')) == 0
    assert not differing(weights(run / 'epoch_3.pth'), weights(root / 'run' / 'epoch_3.pth'))
