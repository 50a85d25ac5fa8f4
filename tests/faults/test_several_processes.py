"""One of two processes is killed: the other says so, and both go on from what was saved."""

import os
import signal

from conftest import free_port
from short_runs import before_step, command, forked, kill_me

LAST_EPOCH = before_step(1, kill_me)


def test_one_of_two_processes_is_killed(data, tmp_path):
    def run(moment, *flags) -> list[int]:
        port, processes = free_port(), []
        for rank in (0, 1):
            told = dict(RANK=rank, LOCAL_RANK=rank, WORLD_SIZE=2, MASTER_PORT=port)

            def begin(told=told) -> None:
                os.environ.update({name: str(value) for name, value in told.items()})
                os.environ['MASTER_ADDR'] = '127.0.0.1'
                if told['RANK']:
                    moment()

            (tmp_path / str(rank)).mkdir(exist_ok=True)
            options = ['train_dataloader.batch_size=2', 'train_cfg.max_epochs=2']
            more = ['--launcher', 'pytorch', *flags]
            argv = command('unet_baseline', tmp_path / 'run', *more, options=options)
            processes.append(forked(argv, begin, tmp_path / str(rank)))
        for process in processes:
            process.join(240)
        return [process.exitcode for process in processes]

    assert run(LAST_EPOCH) == [2, -signal.SIGKILL]
    said = (tmp_path / '0' / 'output.txt').read_text()
    assert 'error: another process of this run has ended' in said and 'Traceback' not in said
    assert (tmp_path / 'run' / 'epoch_1.pth').is_file()
    assert run(lambda: None, '--resume') == [0, 0]
    assert (tmp_path / 'run' / 'epoch_2.pth').is_file()
