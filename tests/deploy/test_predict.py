"""Pictures in, files out: whole, named after the picture, and nothing twice; of the workers of a cluster as of one process."""

import csv
import json
import os
import signal
import threading

import cv2
import numpy as np
import pytest
from pictures import contents, load, save
from small_models import ROCK, BrightRocks, bright_detector

from custom_modules.deploy.archive import Worker, entries_of, tasks_of
from custom_modules.deploy.predict import Outcome, Results, predict_pictures, record_all
from custom_modules.evaluation.objects import score_mask_files
from custom_modules.preparation.coco_file import CocoFile
from custom_modules.utils.errors import UsageError
from custom_modules.utils.images import find_pictures


def photo(path, rocks=((10, 20), (40, 50)), size=(120, 90)) -> None:
    image = np.full((*size[::-1], 3), 30, np.uint8)
    for y, x in rocks:
        image[y : y + 12, x : x + 12] = 240
    save(path, image)


@pytest.fixture
def photos(tmp_path):
    folder = tmp_path / 'photos'
    for name in ('a.png', 'b.png', 'sol 1/c.png', 'sol 1/d.tif', 'sol 1/x/é.png'):
        photo(folder / name)
    return folder


@pytest.fixture
def bright(monkeypatch) -> BrightRocks:
    """What every tool and detector uses for a model."""
    return bright_detector(monkeypatch).model


def test_every_picture_has_its_files(tool, bright, photos, tmp_path, capsys):
    out = tmp_path / 'out'
    assert tool('predict.py', photos, '-o', out, '--mode', 'tile', '--scale', 1, '--probability') == 0
    printed = capsys.readouterr().out
    assert '5 pictures, 10 rocks' in printed and 'pictures/s' in printed
    names = ('a', 'b', 'sol 1/c', 'sol 1/d', 'sol 1/x/é')
    expected = {f'masks/{n}.png' for n in names} | {f'overlays/{n}.jpg' for n in names}
    expected |= {f'probabilities/{n}.png' for n in names}
    assert set(contents(out)) == expected | {'pictures.jsonl', 'rocks.csv', 'rocks.json'}
    image = load(photos / 'a.png')
    assert (load(out / 'masks' / 'a.png') == (image[..., 0] > 128) * np.uint8(255)).all()
    probability = cv2.imread(str(out / 'probabilities' / 'a.png'), cv2.IMREAD_UNCHANGED)
    assert probability.dtype == np.uint16
    np.testing.assert_allclose(probability / 65535, image[..., 0] / 255, atol=1e-4)
    rows = list(csv.DictReader((out / 'rocks.csv').open()))
    assert [row['picture'] for row in rows[::2]] == ['a.png', 'b.png', 'sol 1/c.png', 'sol 1/d.tif', 'sol 1/x/é.png']
    first = rows[0]
    assert [first[key] for key in ('left', 'top', 'area', 'class')] == ['20', '10', '144', 'rock']
    assert first['probability'] == '0.9412' and first['touches_border'] == '0'
    assert json.loads((out / 'rocks.json').read_text())['categories'] == [dict(id=1, name='rock', supercategory='')]
    # and prepare_data.py coco-to-masks draws what was found
    read = CocoFile(out / 'rocks.json')
    drawn = {entry['file_name']: read.draw(entry) for entry in read.images}
    for name in ('a.png', 'sol 1/x/é.png'):
        found = load(out / 'masks' / name)
        assert found.any() and (drawn[name] == found // 255).all()


def test_several_classes_keep_their_indices(monkeypatch, tmp_path):
    class Three(BrightRocks):
        def __call__(self, images):
            bright = super().__call__(images)
            return np.concatenate([0.5 - np.abs(bright - k / 2) for k in range(3)], axis=1) + 0.5

    three = dict(classes=('ground', 'sky', 'rock'), palette=((0, 0, 0),) * 3, threshold=None)
    detector = bright_detector(monkeypatch, Three(ROCK.__class__(**vars(ROCK) | three)), mode='tile', scale=1)
    image = np.zeros((64, 70, 3), np.uint8)
    # each at one border
    image[:10, 20:50], image[30:40, 60:] = 128, 255
    save(tmp_path / 'a.png', image)
    results = Results(tmp_path / 'out', detector, {}, overlay=False, probability=True)
    assert predict_pictures(detector, find_pictures([str(tmp_path / 'a.png')]), results).rocks == 2
    mask = load(tmp_path / 'out' / 'masks' / 'a.png')
    assert (mask == np.select([image[..., 0] == 255, image[..., 0] == 128], [2, 1], 0)).all()
    assert not (tmp_path / 'out' / 'overlays').exists()
    save(tmp_path / 'true' / 'a.png', (mask == 2) * np.uint16(256))
    for pair in (('out/masks', 'true'), ('true', 'out/masks')):
        with pytest.raises(UsageError, match='holds more than 3 classes'):
            score_mask_files(*(tmp_path / name for name in pair), three['classes'])
    rows = csv.DictReader((tmp_path / 'out' / 'rocks.csv').open())
    found = [(row['number'], row['class'], row['touches_border'], float(row['probability'])) for row in rows]
    assert found == [('1', 'sky', '1', 0.998), ('2', 'rock', '1', 1)]


def test_batches_side_by_side_find_the_same(monkeypatch, photos, tmp_path):
    class Meeting(BrightRocks):
        beside = threading.Barrier(2)

        def __call__(self, images):
            # broken, and an error, unless another call is in the network
            self.beside.wait(timeout=20)
            return super().__call__(images)

    sources = find_pictures([str(photos)])
    for name, model, calls in (('two', Meeting(), 2), ('one', BrightRocks(), 1)):
        detector = bright_detector(monkeypatch, model, batch_size=3, calls=calls)
        assert predict_pictures(detector, sources, Results(tmp_path / name, detector, {})).pictures == 5
    assert contents(tmp_path / 'two') == contents(tmp_path / 'one')


def test_masks_are_scored_against_the_truth(tool, refused, bright, tmp_path, capsys):
    for i, rocks in enumerate([((10, 20), (40, 50)), ((10, 20), (40, 50)), (), ()]):
        photo(tmp_path / ('in' if i < 3 else 'elsewhere') / f'render{i}.png', rocks)
        truth = np.zeros((90, 120), np.uint8)
        truth[10:22, 20:32] = 255 * (i < 2)
        truth[40:52, 50:62] = 255 * (i == 0)
        save(tmp_path / 'true' / f'ground{i}.png', truth)
        truth[10:22, 20:32] //= 255
        truth[40:52, 50:62] = (1, 255, 255, 0)[i]
        save(tmp_path / 'indexed' / f'ground{i}.png', truth)
    given = ('predict.py', tmp_path / 'in', '-o', tmp_path / 'out', '--mode', 'tile', '--scale', 1)
    given += ('--truth', tmp_path / 'true', '--img-prefix', 'render', '--mask-prefix', 'ground')
    assert tool(*given) == 0
    # 3 of 4 squares: 2 * 3 / 7; the images have 1, 2 / 3 and, without a rock, 1; found 3 of 3, invented 1 of 4
    expected = 'rock of 3 pictures at full size: Dice 85.71, mean over the pictures 88.89, objects F1 85.71'
    assert expected in capsys.readouterr().out
    # as class indices, of which 255 is ignored
    assert tool(*given[:-5], tmp_path / 'indexed', *given[-4:], '--resume') == 0 and 'Dice 100.00, ' in capsys.readouterr().out
    refused('3 pictures have no mask in', *given[:-2], '--resume')
    refused('small.py is no picture: the model comes first', *given[:2], 'small.py', 'a.pth', '-o', tmp_path / 'o')
    save(tmp_path / 'true' / 'ground1.png', np.zeros((9, 9), np.uint8))
    refused('are 120x90 and 9x9 pixels', *given, '--resume')


def test_a_ctrl_c_leaves_whole_files_and_the_rest_follows(tool, refused, bright, photos, tmp_path, monkeypatch, capsys):
    for i in range(20):
        photo(photos / f'{i}.png')
    assert tool('predict.py', photos, '-o', tmp_path / 'unbroken', '--batch-size', 1) == 0
    record, out = Results.record, tmp_path / 'out'

    def interrupted(results, entry) -> None:
        record(results, entry)
        if len(results.done) == 2:
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(Results, 'record', interrupted)
    assert tool('predict.py', photos, '-o', out, '--batch-size', 1) == 130
    assert 'interrupted: all files there are whole; go on with --resume' in capsys.readouterr().err
    unbroken, found = contents(tmp_path / 'unbroken'), contents(out)
    pictures = {name: content for name, content in found.items() if name not in ('pictures.jsonl', 'rocks.csv', 'rocks.json')}
    assert 4 <= len(pictures) < 50 and pictures.items() <= unbroken.items()
    assert len(found['rocks.csv'].splitlines()) == 1 + 2 * 2
    monkeypatch.setattr(Results, 'record', record)
    # what is there is not mixed with something else
    refused('holds results already: go on with --resume', 'predict.py', photos, '-o', out)
    refused('have another threshold', 'predict.py', photos, '-o', out, '--resume', '--threshold', 0.3)
    photo(tmp_path / 'elsewhere' / '0.png', ((1, 1),))
    refused('holds the results of another 0.png than', 'predict.py', tmp_path / 'elsewhere', '-o', out, '--resume')
    assert contents(out) == found
    # and a power cut in the middle of a line
    with (out / 'pictures.jsonl').open('ab') as file:
        file.write(b'{"picture": "b.p')
    bright.batches.clear()
    assert tool('predict.py', photos, '-o', out, '--batch-size', 1, '--resume') == 0
    assert '2 there already' in capsys.readouterr().out and len(bright.batches) == 23
    assert contents(out) == unbroken


def test_a_bad_file_is_named_and_the_others_are_predicted(tool, bright, photos, tmp_path, capsys):
    photo(photos / os.fsdecode(b'm\xe9.png'))
    (photos / 'b.png').write_text('no picture')
    cut = (photos / 'sol 1' / 'c.png').read_bytes()
    (photos / 'sol 1' / 'c.png').write_bytes(cut[: len(cut) // 2])
    out = tmp_path / 'out'
    assert tool('predict.py', photos, '-o', out) == 1
    printed = capsys.readouterr()
    assert '4 pictures' in printed.out and '2 skipped' in printed.out
    assert f'skipped {photos / "b.png"}' in printed.err and 'c.png' in printed.err
    names = {path.name for path in (out / 'masks').rglob('*.png')}
    assert names == {'a.png', 'd.png', 'é.png', 'm\udce9.png'} and b'm\xe9.png,' in (out / 'rocks.csv').read_bytes()


@pytest.fixture
def sources(tmp_path):
    folder = tmp_path / 'photos'
    for i in range(10):
        photo(folder / f'{i}.png', [(4 + i, 10)], (64, 64))
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
    expected = predict_pictures(detector, sources, Results(tmp_path / 'alone', detector, {}))
    assert (outcome.pictures, outcome.rocks) == (expected.pictures, expected.rocks) == (9, 9)
    assert outcome.skipped == expected.skipped and len(outcome.skipped) == 1
    ours, theirs = contents(tmp_path / 'out'), contents(tmp_path / 'alone')
    for table in ('pictures.jsonl', 'rocks.csv'):
        lines = [sorted(found.pop(table).splitlines()) for found in (ours, theirs)]
        assert lines[0] == lines[1], table
    assert len(ours.pop('rocks.json')) == len(theirs.pop('rocks.json')) and ours == theirs


def test_two_runs_at_once_list_each_rock_once(monkeypatch, sources, tmp_path):
    detector, out = bright_detector(monkeypatch), tmp_path / 'out'
    for results in [Results(out, detector, {}, resume=True) for _ in range(2)]:
        predict_pictures(detector, sources, results)
    # of ten pictures one cannot be read
    assert len((out / 'pictures.jsonl').read_text().splitlines()) == 1 + 2 * 9
    found = json.loads((out / 'rocks.json').read_text())
    assert len(found['images']) == len(found['annotations']) == 9
    assert len((out / 'rocks.csv').read_text().splitlines()) == 1 + 9


def test_one_that_ends_its_workers_is_named_and_its_neighbours_are_there(monkeypatch, sources, tmp_path):
    detector = bright_detector(monkeypatch, batch_size=2)
    works = worker(Results(tmp_path / 'out', detector, {}).out)
    results = Results(tmp_path / 'out', detector, {}, resume=True)

    def run(tasks):
        return [row for task in tasks if '4.png' not in task['task'] for row in works(task)]

    outcome = told(run, sources, results)
    assert outcome.pictures == 8 and '5.png' in results.done
    assert [path.name for path, _ in outcome.skipped] == ['4.png', '7.png']
    # by one process, without a cluster
    rest = predict_pictures(detector, sources, Results(tmp_path / 'out', detector, {}, resume=True))
    assert rest.pictures == 1 and len(rest.skipped) == 1


def test_a_full_disk_ends_it(monkeypatch, sources, tmp_path):
    results = Results(tmp_path / 'out', bright_detector(monkeypatch, batch_size=2), {})
    full, task = worker(tmp_path / 'out'), tasks_of(sources, 1, 2)[0]

    def add(*given):
        raise OSError(28, 'No space left on device', 'a.png')

    full._files.add = add
    with pytest.raises(UsageError, match=r'no space left .* go on with --resume'):
        told(full(task), sources, results)


def test_a_folder_that_only_one_machine_sees_is_refused(tmp_path):
    with pytest.raises(UsageError, match='is not on a disk that all machines of the cluster see'):
        worker(tmp_path)
