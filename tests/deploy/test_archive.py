"""What the workers of a cluster write and say, and what is made of it: each picture once, as by one process."""

import json

import numpy as np
import pytest
from pictures import contents, save
from small_models import bright_detector

from custom_modules.deploy.archive import Worker, entries_of, tasks_of
from custom_modules.deploy.predict import Outcome, Results, predict_pictures, record_all
from custom_modules.utils.errors import UsageError
from custom_modules.utils.images import find_pictures


@pytest.fixture
def sources(tmp_path):
    folder = tmp_path / 'photos'
    for i in range(10):
        image = np.full((64, 64), 30, np.uint8)
        image[4 + i : 20, 10:30] = 240
        save(folder / f'{i}.png', image)
    (folder / '7.png').write_text('no picture')
    return find_pictures([str(folder)])


def worker(out, **shown) -> Worker:
    return Worker(out, [], dict(batch_size=2), shown)


def told(rows, sources, results) -> Outcome:
    """What becomes of what workers say, all at once or task by task."""
    outcome = Outcome()
    run = rows if callable(rows) else lambda tasks: rows
    return record_all(entries_of(run, sources, results, outcome, 2, 2), 10, results, outcome)


def test_what_came_twice_or_was_lost_is_there_once(monkeypatch, sources, tmp_path):
    detector = bright_detector(monkeypatch, batch_size=2)
    results = Results(tmp_path / 'out', detector, {})
    first, second = worker(tmp_path / 'out'), worker(tmp_path / 'out')
    rounds = []

    def run(tasks):
        rounds.append([len(json.loads(task['task'])) for task in tasks])
        said = [row for task in tasks[len(rounds) == 1 :] for row in first(task)]
        # a second worker did one again, half of which had been heard; a third was killed while it wrote
        return said[-2:] + said[:-2] + second(tasks[-1])

    (tmp_path / 'out' / 'masks').mkdir()
    (tmp_path / 'out' / 'masks' / '.3.png.0f.unfinished').write_bytes(b'half')
    outcome = told(run, sources, results)
    assert rounds == [[2] * 5, [2]], 'the lost task was given out again, alone'
    alone = Results(tmp_path / 'alone', detector, {})
    expected = predict_pictures(detector, sources, alone)
    assert (outcome.pictures, outcome.rocks) == (expected.pictures, expected.rocks) == (9, 9)
    assert outcome.skipped == expected.skipped and len(outcome.skipped) == 1
    ours, theirs = contents(tmp_path / 'out'), contents(tmp_path / 'alone')
    for table in ('pictures.jsonl', 'rocks.csv'):
        lines = [sorted(found.pop(table).splitlines()) for found in (ours, theirs)]
        assert lines[0] == lines[1], table
    assert len(ours.pop('rocks.json')) == len(theirs.pop('rocks.json')) and ours == theirs


def test_one_that_ends_its_workers_is_named_and_its_neighbours_are_there(monkeypatch, sources, tmp_path):
    detector = bright_detector(monkeypatch, batch_size=2)
    works = worker(Results(tmp_path / 'out', detector, {}).out)
    results = Results(tmp_path / 'out', detector, {}, resume=True)

    def run(tasks):
        return [row for task in tasks if '4.png' not in task['task'] for row in works(task)]

    outcome = told(run, sources, results)
    assert outcome.pictures == 8 and '5.png' in results.done
    assert [path.name for path, _ in outcome.skipped] == ['4.png', '7.png']
    assert 'died' in outcome.skipped[0][1]
    # by one process, without a cluster
    rest = predict_pictures(detector, sources, Results(tmp_path / 'out', detector, {}, resume=True))
    assert rest.pictures == 1 and len(rest.skipped) == 1


def test_a_full_disk_and_a_defect_end_it(monkeypatch, sources, tmp_path):
    results = Results(tmp_path / 'out', bright_detector(monkeypatch, batch_size=2), {})
    full, task = worker(tmp_path / 'out'), tasks_of(sources, 1, 2)[0]

    def add(*given):
        raise OSError(28, 'No space left on device', 'a.png')

    full._files.add = add
    with pytest.raises(UsageError, match=r'no space left .* go on with --resume'):
        told(full(task), sources, results)
    full._files = None
    with pytest.raises(RuntimeError, match=r"(?s)Traceback .* no attribute 'add'"):
        told(full(task), sources, results)


def test_a_folder_that_only_one_machine_sees_is_refused(tmp_path):
    with pytest.raises(UsageError, match='is not on a disk that all machines of the cluster see'):
        worker(tmp_path)
