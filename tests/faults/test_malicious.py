"""A stranger's file runs nothing, whichever way it comes in: each of them would make a folder if it could."""

import pickle

import pytest
import torch
from conftest import REPOSITORY, Trap
from mmengine.config import Config
from mmengine.registry import MODELS, init_default_scope
from mmpretrain import get_model
from mmseg.apis import MMSegInferencer, init_model
from short_runs import SMALL, command, run_tool

import custom_modules.segmentation  # noqa: F401

pytestmark = pytest.mark.usefixtures('data')


@pytest.fixture(scope='module')
def root(data, tmp_path_factory):
    """The small model's own weights, so that nothing but the trap is wrong."""
    root = tmp_path_factory.mktemp('malicious')
    init_default_scope('mmseg')
    cfg = Config.fromfile(REPOSITORY / 'configs' / 'unet_baseline.py')
    cfg.model.backbone.widths = [4, 4, 8]
    cfg.dump(root / 'small.py')
    torch.save(MODELS.build(cfg.model).state_dict(), root / 'weights.pth')
    return root


@pytest.fixture(params=['pickle', 'old pickle', 'in the weights', 'meta.config', 'message_hub.cfg'])
def stranger(request, root, tmp_path):
    """A checkpoint of the model with a trap in it, and the folder that the trap makes."""
    state = torch.load(root / 'weights.pth', weights_only=True)
    ran = tmp_path / 'ran'
    text = f'import os\nos.mkdir({str(ran)!r})\n'
    checkpoint = dict(state_dict=state, meta=dict(epoch=1, iter=2))
    hub = dict(log_scalars={}, runtime_info={}, resumed_keys={})
    if request.param in ('pickle', 'old pickle'):
        checkpoint['meta']['trap'] = Trap(ran)
    elif request.param == 'in the weights':
        checkpoint['state_dict'] = {**state, 'trap': Trap(ran)}
    elif request.param == 'meta.config':
        checkpoint['meta'].update(config=text, cfg=text)
    else:
        hub['runtime_info']['cfg'] = text
    checkpoint |= dict(message_hub=hub, optimizer={}, param_schedulers=[])
    path = tmp_path / 'stranger.pth'
    torch.save(checkpoint, path, _use_new_zipfile_serialization=request.param != 'old pickle')
    # the trap works where nothing holds it back
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv('TORCH_FORCE_WEIGHTS_ONLY_LOAD')
        torch.load(path, weights_only=False)
    if '.' in request.param:
        exec(text)
    ran.rmdir()
    return path, ran


def by_tool(name, *arguments):
    return lambda path, root, out: run_tool(name, *(str(a).format(path=path, root=root, out=out) for a in arguments))


def training(*options):
    """A training of an epoch with these options, or one that is resumed."""
    return lambda path, root, out: run_tool(
        *command('unet_baseline', out / 'run', options=[*(o.format(path=path) for o in options), 'train_cfg.max_epochs=1'])
    )  # fmt: skip


def of_mmpretrain(path, root, out):
    # the libraries look up names where the default scope says
    init_default_scope('mmpretrain')
    try:
        get_model(f'{REPOSITORY}/configs/classifier.py', pretrained=str(path), device='cpu')
    finally:
        init_default_scope('mmseg')


ENTRIES = {
    'test': by_tool('test.py', f'{REPOSITORY}/configs/unet_baseline.py', '{path}', '--work-dir', '{out}/test', '--cfg-options', *SMALL),
    'visualize': by_tool('visualize.py', f'{REPOSITORY}/configs/unet_baseline.py', '{path}', '--out', '{out}/panels', '--cfg-options', *SMALL),
    'resume': lambda path, root, out: run_tool(*command('unet_baseline', out / 'run', '--resume', path)),
    'load_from': training('load_from={path}'),
    'init_cfg': training('model.backbone.init_cfg.type=Pretrained', 'model.backbone.init_cfg.checkpoint={path}', 'model.backbone.init_cfg.prefix=backbone.'),
    'publish': by_tool('publish.py', '{path}', '{out}/published.pth'),
    "mmseg's init_model": lambda path, root, out: init_model(str(root / 'small.py'), str(path), device='cpu') and None,
    'predict': by_tool('predict.py', '{root}/small.py', '{path}', f'{REPOSITORY}/docs/demo/scene1.jpg', '-o', '{out}/found'),
    "mmseg's inferencer": lambda path, root, out: MMSegInferencer(str(root / 'small.py'), str(path), device='cpu') and None,
    "mmpretrain's get_model": of_mmpretrain,
    "mmengine's inferencer without a config": lambda path, root, out: MMSegInferencer(None, weights=str(path), device='cpu') and None,
}  # fmt: skip


@pytest.mark.parametrize('entry', ENTRIES)
def test_nothing_of_a_checkpoint_is_run(entry, stranger, root, tmp_path, capsys):
    path, ran = stranger
    try:
        code = ENTRIES[entry](path, root, tmp_path)
    except ValueError:
        # the libraries' own ways raise what a tool would say
        code = 2
    assert not ran.exists(), 'the trap was sprung'
    assert code in (0, None, 2) and 'Traceback' not in capsys.readouterr().err


@pytest.mark.parametrize(('suffix', 'words'), [('pkl', 'as .json or .npy'), ('npy', 'holds no numbers')])
def test_weights_of_classes_are_numbers(suffix, words, tmp_path, capsys):
    """mmseg reads a text as the name of a file, and unpickles it; numbers as .json and .npy are read."""
    path = tmp_path / f'w.{suffix}'
    path.write_bytes(pickle.dumps(Trap(tmp_path / 'ran')))
    option = f'model.decode_head.loss_decode.0.class_weight={path}'
    assert run_tool(*command('unet_baseline', tmp_path / 'run', options=[option])) == 2
    assert words in capsys.readouterr().err
    # as the library's own tools do
    with pytest.raises(ValueError):
        MODELS.build(dict(type='mmseg.CrossEntropyLoss', class_weight=str(path)))
    assert not (tmp_path / 'ran').exists()
