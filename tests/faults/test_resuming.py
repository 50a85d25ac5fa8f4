"""A run goes on exactly as it was, or it is said why not, before anything is loaded."""

import re
import shutil

import pytest
import torch
from conftest import write_config
from short_runs import command, errors, run_tool


@pytest.fixture(scope='module')
def trained(data, tmp_path_factory):
    """Work dirs of two epochs: of a plain run, and of one with averaged weights."""
    root = tmp_path_factory.mktemp('trained')
    for name, text in (('plain', ''), ('averaged', 'default_hooks = dict(ema=_base_.ema)\n')):
        config = write_config(root / f'{name}.py', 'unet_baseline', text)
        assert run_tool(*command(config, root / name, options=['train_cfg.max_epochs=2'])) == 0
    return root


@pytest.fixture
def resume(trained, tmp_path, capsys):
    """Resume a copy of a run with other settings, or of a changed checkpoint: exit code, error line, checkpoints."""

    def run(source, *options, config='plain', change=None):
        work_dir = tmp_path / f'run{len(list(tmp_path.iterdir()))}'
        shutil.copytree(trained / source, work_dir)
        if change is not None:
            checkpoint = torch.load(work_dir / 'epoch_2.pth', weights_only=True)
            change(checkpoint)
            torch.save(checkpoint, work_dir / 'epoch_2.pth')
        code = run_tool(*command(trained / f'{config}.py', work_dir, '--resume', options=options))
        return code, errors(capsys), sorted(path.name for path in work_dir.glob('epoch_*.pth'))

    return run


REFUSED = {
    'wider': (['model.backbone.widths=[8,8,16]'], None, 'does not fit the model: .* instead of'),
    'shallower': (['model.backbone.widths=[4,4]'], None, r'another model: it has \d+ tensors more'),
    'another optimizer': (['optim_wrapper.optimizer.type=SGD'], None, 'another optimizer than SGD|unexpected'),
    'other groups': (['optim_wrapper.paramwise_cfg.norm_decay_mult=0.0'], None, 'or other parameters in it'),
    'a larger batch': (['train_dataloader.batch_size=8'], None, 'epochs of 2 steps, and 8 images in batches of 8 make 1 steps'),
    'other images in as many steps': (
        ['train_dataloader.dataset.train_fraction=0.75'], None, 'was trained on 8 images, and the 6 of this run are others'),
    'fewer epochs': (['train_cfg.max_epochs=1'], None, 'has done 2 epochs, and train_cfg.max_epochs is 1'),
    'weights alone': (
        [], lambda c: [c.pop(key) for key in ('optimizer', 'message_hub', 'param_schedulers')], 'holds no message_hub and no optimizer and no param_schedulers'),
    'averages of another shape': (
        [], lambda c: c['optimizer']['state'][0].update(exp_avg=torch.zeros(3)), '1 averages of the optimizer in another shape'),
    'a scheduler less': ([], lambda c: c['param_schedulers'].pop(), 'other schedulers'),
}  # fmt: skip


@pytest.mark.parametrize('case', REFUSED)
def test_what_does_not_fit_is_refused_in_one_sentence(case, resume):
    options, change, words = REFUSED[case]
    code, (error,), checkpoints = resume('plain', *options, change=change)
    assert code == 2 and re.search(words, error), error
    assert checkpoints == ['epoch_1.pth', 'epoch_2.pth'], 'nothing was trained'


def test_averages_have_to_be_on_both_sides(resume):
    code, (error,), _ = resume('plain', config='averaged')
    assert code == 2 and 'holds no averaged weights, which this run is to keep' in error
    code, (error,), _ = resume('averaged')
    assert code == 2 and 'holds averaged weights, which this run would take for' in error
    code, said, checkpoints = resume('averaged', config='averaged')
    assert (code, said) == (0, []) and 'epoch_3.pth' in checkpoints
    # a finished run has nothing left to train
    code, said, checkpoints = resume('plain', 'train_cfg.max_epochs=2')
    assert (code, said) == (0, []) and checkpoints == ['epoch_1.pth', 'epoch_2.pth']


@pytest.mark.parametrize('form', ['plain', 'wrapped', 'of a run', 'of an averaged run'])
@pytest.mark.parametrize('config', ['plain', 'averaged'])
def test_a_run_begins_from_weights_in_any_form(form, config, trained, tmp_path):
    """Also a config with averaged weights, which took a plain state_dict for a defect."""
    source = trained / ('averaged' if 'averaged' in form else 'plain') / 'epoch_2.pth'
    checkpoint, path = torch.load(source, weights_only=True), tmp_path / 'weights.pth'
    state = checkpoint['state_dict']
    torch.save(dict(plain=state, wrapped=dict(model={f'module.{k}': v for k, v in state.items()})).get(form, checkpoint), path)
    options = [f'load_from={path}', 'train_cfg.max_epochs=1', 'optim_wrapper.optimizer.lr=0.0']
    run = command(trained / f'{config}.py', tmp_path / 'run', options=options)
    assert run_tool(*run) == 0
    assert run_tool('test.py', run[1], str(path), '--work-dir', str(tmp_path / 'test'), *run[4:]) == 0
    result = torch.load(tmp_path / 'run' / 'epoch_1.pth', weights_only=True)
    for key in ('backbone.stages.0.0.weight', 'decode_head.conv_seg.weight'):
        assert torch.equal(result['state_dict'][key], state[key])


def test_a_run_does_not_begin_from_half_a_model(trained, tmp_path, capsys):
    model = torch.load(trained / 'plain' / 'epoch_2.pth', weights_only=True)['state_dict']
    model = {key: value for key, value in model.items() if '.up.' not in key}
    torch.save(model, tmp_path / 'other.pth')
    options = [f'load_from={tmp_path / "other.pth"}']
    assert run_tool(*command(trained / 'plain.py', tmp_path / 'run', options=options)) == 2
    said = capsys.readouterr().err
    assert 'does not fit the model' in said and "prefix='backbone.'" in said
    assert not list((tmp_path / 'run').glob('*.pth'))
