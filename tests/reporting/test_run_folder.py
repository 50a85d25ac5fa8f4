"""What a run left is read as it was: resumes, restarts, early stops, broken lines."""

import pytest
from mmengine.config import Config
from report_runs import make_run, write_scalars

from custom_modules.reporting.config_changes import flat_config
from custom_modules.reporting.runs import RunFolder, held_out_fold, monitored_score, read_scalars


def dice(*values):
    return [{'rock_Dice': value} for value in values]


def test_scalars_of_a_run_in_pieces(tmp_path):
    write_scalars(tmp_path / '20260101_000000', [1, 2, 3], dice(1.0, 2.0, 3.0))
    # the mean loss of an epoch, and its last rate
    train, _ = read_scalars(tmp_path)
    assert train['loss'].tolist()[:2] == [3.0, 1.5] and train['lr'].tolist()[:2] == [0.1, 0.05]
    # a resume goes on and replaces what it repeats
    write_scalars(tmp_path / '20260102_000000', [3, 4], dice(30.0, 40.0))
    train, val = read_scalars(tmp_path)
    assert val['rock_Dice'].to_dict() == {1: 1.0, 2: 2.0, 3: 30.0, 4: 40.0} and list(train.index) == [1, 2, 3, 4]
    # a line that was cut off is left out
    path = tmp_path / '20260102_000000' / 'vis_data' / 'scalars.json'
    path.write_text(path.read_text()[:-12])
    assert list(read_scalars(tmp_path)[1].index) == [1, 2, 3]
    # a new start leaves nothing of the old; its logger counts validations by iteration
    write_scalars(tmp_path / '20260103_000000', [1], dice(10.0), steps=2)
    train, val = read_scalars(tmp_path)
    assert val['rock_Dice'].to_dict() == {1: 10.0} and list(train.index) == [1]
    # before a resume the clock was set back
    write_scalars(tmp_path / 'clock' / '20260101_000000', [2, 3], dice(2.0, 3.0))
    write_scalars(tmp_path / 'clock' / '20260102_000000', [1], dice(1.0))
    assert list(read_scalars(tmp_path / 'clock')[1].index) == [1, 2, 3]


@pytest.mark.parametrize(('last', 'gap'), [(5.0, None), (5.1, 'unfinished: 4 of 40 epochs')])  # a tie is no improvement
def test_stopped_early_or_unfinished(tmp_path, last, gap):
    patience = {'train_cfg.max_epochs': 40, 'default_hooks.early_stopping.patience': 2}
    run = make_run(tmp_path, 'unet_baseline', weights=False, epochs=0, **patience)
    write_scalars(run / '20260102_000000', [1, 2, 3, 4], dice(1.0, 5.0, 4.0, last))
    assert RunFolder(run).gap == gap


def test_the_best_checkpoint_is_that_of_the_monitored_score(tmp_path):
    run = make_run(tmp_path, 'unet_baseline', weights=False, epochs=0, **{'train_cfg.max_epochs': 3})
    write_scalars(run / '20260102_000000', [1, 2, 3], dice(50.0, 40.0, 30.0))
    # of another score, and of an epoch before a resume
    for name in ('best_mDice_epoch_3.pth', 'best_rock_Dice_epoch_2.pth'):
        (run / name).touch()
    assert RunFolder(run).checkpoint.name == 'best_rock_Dice_epoch_1.pth'
    for hook in (dict(save_best=['val_loss', 'mDice'], rule=['less', 'greater']), dict(save_best='val_loss')):
        assert monitored_score(Config(dict(default_hooks=dict(checkpoint=hook)))) == ('val_loss', True)


def test_a_resumed_run_is_of_the_config_that_it_began_with(tmp_path):
    def flat(name, *starts):
        for number, (resume, load_from) in enumerate(starts, 1):
            start = tmp_path / name / f'2026010{number}_000000'
            write_scalars(start, [number], [{'rock_Dice': 1.0}])
            cfg = Config(dict(train_cfg=dict(max_epochs=2), resume=resume, load_from=load_from))
            cfg.dump(start / 'vis_data' / 'config.py')
        cfg.dump(tmp_path / name / 'small.py')
        return flat_config(RunFolder(tmp_path / name).cfg)

    plain, loaded = flat('a', (False, None)), flat('b', (False, '/x/a.pth'))
    assert flat('c', (False, None), (True, None), (True, None)) == plain
    assert flat('d', (False, '/x/a.pth'), (True, None)) == loaded != plain


@pytest.mark.parametrize(
    ('pointer', 'files', 'gap'),
    [
        # killed between the last epoch's scalars and its checkpoint
        (None, [1], 'the checkpoint of epoch 2 was not written'),
        # what the pointer names may be cleared away
        ('/gone/epoch_2.pth', [1], None),
        ('/gone/epoch_1.pth', [1, 2], None),
        # all but the best are
        (None, [], None),
    ],
)
def test_what_is_finished_has_its_last_checkpoint(tmp_path, pointer, files, gap):
    run = make_run(tmp_path, 'unet_baseline', weights=False)
    for epoch in files:
        (run / f'epoch_{epoch}.pth').touch()
    if pointer is not None:
        (run / 'last_checkpoint').write_text(pointer)
    found = RunFolder(run)
    assert found.gap == gap and found.checkpoint.name == 'best_rock_Dice_epoch_1.pth'


# lines 0 and 1 are of epoch 1, 3 and 4 of epoch 2; one iteration of an epoch is enough; the last recovered, as mixed precision does
@pytest.mark.parametrize(('lines', 'since'), [((3, 6, 7), 2), ((0, 1, 3, 4, 6, 7), 1), ((0,), None)])
def test_a_run_that_ended_without_a_finite_loss_is_named(tmp_path, lines, since):
    run = make_run(tmp_path, 'unet_baseline', weights=False, epochs=0, **{'train_cfg.max_epochs': 3})
    write_scalars(run / '20260102_000000', [1, 2, 3])
    path = run / '20260102_000000' / 'vis_data' / 'scalars.json'
    rows = path.read_text().splitlines(keepends=True)
    for i in lines:
        rows[i] = rows[i].replace('"loss": ', f'"loss": {"NaN" if i % 2 else "Infinity"}, "was": ')
    path.write_text(''.join(rows))
    gap = RunFolder(run).gap
    assert gap is None if since is None else f'its loss is nan or infinite from epoch {since} to the end' in gap


# all images, or the inner validation part: nothing that could be put together
@pytest.mark.parametrize(('split', 'fold'), [('test', (2, 5)), ('val', None), ('all', None)])
def test_a_fold_is_that_of_the_test_part(split, fold):
    test = dict(type='MoonDataset', data_root='x', split=split, fold=2)
    assert held_out_fold(Config(dict(test_dataloader=dict(dataset=test)))) == fold


def test_a_best_checkpoint_that_was_not_written_is_missed(tmp_path):
    # make_run leaves that of epoch 1
    run = make_run(tmp_path, 'unet_baseline', weights=False, epochs=0)

    def gap(start, *scores):
        write_scalars(run / f'2026010{start}_000000', [1, 2], dice(*scores))
        return RunFolder(run).gap

    assert gap(2, 20.0, 10.0) is None and gap(3, 10.0, 10.0) is None
    # killed after the last scalars, before the checkpoint that they are of
    assert gap(4, 10.0, 20.0).startswith('epoch 2 has the best rock_Dice')
    (run / 'best_rock_Dice_epoch_2.pth').touch()
    assert RunFolder(run).gap is None
