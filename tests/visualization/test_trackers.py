"""Trackers hold the values of the local scalars, and a run does without them where they fail."""

import json
import os
import time
import zipfile
from pathlib import Path
from unittest import mock

import matplotlib
import pytest
from conftest import MOON_OPTIONS, REPOSITORY, logged, run_python, write_config
from mmengine.registry import VISBACKENDS

import custom_modules.segmentation  # noqa: F401

GOES_ON = 'the run goes on with its local logs'


@pytest.fixture(autouse=True)
def nobody(tmp_path):
    """Nobody's environment: no credentials, no home, no calls home; trackers that write to it change a copy."""
    with mock.patch.dict(os.environ):
        for name in list(os.environ):
            if name.startswith(('CLEARML', 'TRAINS', 'MLFLOW')):
                del os.environ[name]
        conf = tmp_path / 'clearml.conf'
        # without its second process ClearML closes at once instead of after 5 to 10 seconds
        conf.write_text('sdk { development { report_use_subprocess: false } }')
        os.environ |= dict(
            HOME=str(tmp_path),
            # its font list takes seconds to be made again
            MPLCONFIGDIR=matplotlib.get_cachedir(),
            CLEARML_CONFIG_FILE=str(conf),
            MLFLOW_DISABLE_TELEMETRY='true',
        )
        yield


def experiment(folder, tracker: str) -> Path:
    """Write a config with the one line that chooses a tracker."""
    text = f'visualizer = dict(vis_backends=_base_.trackers.{tracker})\n'
    return write_config(folder / f'with_{tracker}.py', 'unet_backbone_scratch', text)


def local_scalars(work_dir) -> list[tuple]:
    """Name, step and value of scalars in the own log of a run whose tracker did not fail."""
    (log,) = work_dir.glob('*/*.log')
    assert GOES_ON not in log.read_text()
    train, val = logged(work_dir)
    assert list(work_dir.glob('*/vis_data/events.out.tfevents*'))
    rows = ((val, 'rock_Dice'), (train, 'loss'), (train, 'decode.loss_dice'))
    return [(name, row['step'], pytest.approx(row[name])) for row, name in rows]


def test_clearml_offline_archive_holds_the_scalars(moon, tmp_path):
    pytest.importorskip('clearml')
    work_dir = tmp_path / 'runs' / 'my_run'
    command = [REPOSITORY / 'tools' / 'train.py', experiment(tmp_path, 'clearml'), '--work-dir', work_dir]
    run_python(*command, '--cfg-options', *MOON_OPTIONS, CLEARML_OFFLINE_MODE=1)
    (archive,) = tmp_path.rglob('offline-*.zip')
    with zipfile.ZipFile(archive) as files:
        task = json.loads(files.read('task.json'))
        events = [e for row in files.read('metrics.jsonl').splitlines() for e in json.loads(row)]
    assert (task['project_name'], task['name']) == ('moon-rocks', 'my_run')
    assert 'MoonNet' in str(task['configuration'])
    # each once: TensorBoard's are not read a second time
    reported = [(e['metric'], e['iter'], e['value']) for e in events if 'value' in e]
    for scalar in local_scalars(work_dir):
        assert [row for row in reported if row[0] == scalar[0]] == [scalar]


def test_mlflow_file_store_holds_the_scalars(moon, tool, tmp_path):
    mlflow = pytest.importorskip('mlflow')
    work_dir = tmp_path / 'runs' / 'my_run'
    assert tool('train.py', experiment(tmp_path, 'mlflow'), '--work-dir', work_dir, '--cfg-options', *MOON_OPTIONS) == 0
    assert mlflow.active_run() is None and 'MLFLOW_TRACKING_URI' not in os.environ
    client = mlflow.MlflowClient(tracking_uri=(tmp_path / 'runs' / 'mlruns').as_uri())
    (project,) = [e for e in client.search_experiments() if e.name != 'Default']
    (mine,) = client.search_runs([project.experiment_id])
    assert project.name == 'moon-rocks' and mine.info.run_name == 'my_run' and mine.info.status == 'FINISHED'
    assert mine.data.params['model.backbone.type'] == 'MoonNet'
    for name, step, value in local_scalars(work_dir):
        (metric,) = client.get_metric_history(mine.info.run_id, name)
        assert (metric.step, metric.value) == (step, value)


def test_a_library_that_never_starts_or_ends_holds_nothing_up(tmp_path):
    """With what a classification run registers, which needs no mmseg."""
    code = """if True:
        import atexit, sys, time
        sys.modules['mmseg'] = None
        from mmengine.registry import VISBACKENDS
        from mmengine.visualization import LocalVisBackend, Visualizer
        import custom_modules.classification

        @VISBACKENDS.register_module()
        class StuckAtStart(LocalVisBackend):
            def _init_env(self):
                time.sleep(600)

        @VISBACKENDS.register_module()
        class StuckAtExit(LocalVisBackend):
            def _init_env(self):
                super()._init_env()
                atexit.register(time.sleep, 600)

        stuck = [dict(type='OptionalVisBackend', tracker=f'StuckAt{at}', name=at, limit=1) for at in ('Exit', 'Start')]
        visualizer = Visualizer(vis_backends=[*stuck, dict(type='LocalVisBackend')], save_dir=sys.argv[1])
        for step in range(3):
            visualizer.add_scalars(dict(loss=1.0), step=step)
        visualizer.close()
    """
    done = run_python('-c', code, tmp_path)
    (line,) = [line for line in (done.stdout + done.stderr).splitlines() if GOES_ON in line]
    assert 'StuckAtStart: start failed' in line and 'no answer within 1 s' in line
    # the one that is stuck at the end writes there too
    assert len((tmp_path / 'vis_data' / 'scalars.json').read_text().splitlines()) == 6


def retry_for_ever(*_):
    while True:
        try:
            time.sleep(60)
        except Exception:  # noqa: S112
            continue


@pytest.mark.parametrize(
    ('fault', 'reason'), [(RuntimeError('gone\nfor good'), 'gone'), (retry_for_ever, 'no answer within 0.05 s')]
)
def test_what_fails_later_is_said_once_and_the_rest_goes_on(fault, reason, tmp_path, monkeypatch):
    said = []
    monkeypatch.setattr('custom_modules.visualization.trackers.print_log', lambda line, **kwargs: said.append(line))
    tracker = mock.Mock(**{'add_scalars.side_effect': fault})
    monkeypatch.setitem(VISBACKENDS.module_dict, 'Faulty', lambda save_dir: tracker)
    backend = VISBACKENDS.build(dict(type='OptionalVisBackend', tracker='Faulty', save_dir=str(tmp_path), limit=0.05))
    for _ in range(3):
        backend.add_scalars({}, 0)
        backend.add_image('x', None)
    backend.close()
    assert len(said) == 1 and said[0].startswith('Faulty: add_scalars failed') and said[0].endswith(f'({reason})')
    assert tracker.add_scalars.call_count == 1
