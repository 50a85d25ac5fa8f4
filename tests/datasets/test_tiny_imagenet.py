"""TinyImageNet reads the archive's layout, and says what is wrong with it."""

import pytest

from custom_modules.datasets.tiny_imagenet import TinyImageNet
from custom_modules.utils.errors import UsageError


def test_labels_and_names(tiny_imagenet):
    train = TinyImageNet(tiny_imagenet)
    assert len(train) == 18
    assert train.metainfo['classes'] == ('red', 'green', 'n00000003')
    infos = [train.get_data_info(i) for i in range(18)]
    found = {(info['img_path'].split('/')[-3], info['gt_label']) for info in infos}
    assert found == {('n00000001', 0), ('n00000002', 1), ('n00000003', 2)}
    val = TinyImageNet(tiny_imagenet, 'val')
    assert [val.get_data_info(i)['gt_label'] for i in range(6)] == [0, 0, 1, 1, 2, 2]


def test_chosen_classes_keep_their_order(tiny_imagenet):
    wnids = ['n00000003', 'n00000001']
    val = TinyImageNet(tiny_imagenet, 'val', wnids=wnids)
    assert [val.get_data_info(i)['gt_label'] for i in range(len(val))] == [1, 1, 0, 0]
    assert val.metainfo['classes'] == ('n00000003', 'red')


def remove_class(root):
    for path in (root / 'train' / 'n00000002' / 'images').iterdir():
        path.unlink()


def remove_val_image(root):
    (root / 'val' / 'images' / 'val_3.JPEG').unlink()


def unlist_class(root):
    path = root / 'val' / 'val_annotations.txt'
    path.write_text('\n'.join(x for x in path.read_text().splitlines() if 'n00000003' not in x))


def nothing(root):
    pass


@pytest.mark.parametrize(
    ('spoil', 'options', 'words'),
    [
        (remove_class, {}, 'Class n00000002 has no .*JPEG'),
        (remove_val_image, dict(split='val'), '1 images .* are not in .*val_3.JPEG'),
        (unlist_class, dict(split='val'), '1 classes have no image .* n00000003'),
        (nothing, dict(split='test'), "'train' or 'val', got 'test'"),
        (nothing, dict(wnids=['n00000001', 'n12345678']), '1 of the chosen wnids .* n12345678'),
        (nothing, dict(data_root='nowhere'), 'no such folder: run .*prepare_data.py tiny-imagenet'),
    ],
)
def test_each_mistake_gets_its_sentence(tiny_imagenet, spoil, options, words):
    spoil(tiny_imagenet)
    with pytest.raises(UsageError, match=words):
        TinyImageNet(**{'data_root': tiny_imagenet, **options})


def sort_val(root):
    """As many scripts do for torchvision's ImageFolder."""
    for row in (root / 'val' / 'val_annotations.txt').read_text().splitlines():
        name, wnid = row.split('\t')[:2]
        folder = root / 'val' / wnid / ('images' if wnid.endswith('1') else '')
        folder.mkdir(parents=True, exist_ok=True)
        (root / 'val' / 'images' / name).rename(folder / name)


def add_mac_files(root):
    for folder in (root, root / 'train' / 'n00000001' / 'images', root / 'val' / 'images'):
        (folder / '.DS_Store').write_bytes(b'x')
        (folder / '._n00000001_0.JPEG').write_bytes(b'x')


def double_folder(root):
    inner = root / 'tiny-imagenet-200'
    inner.mkdir()
    for path in list(root.iterdir()):
        if path != inner:
            path.rename(inner / path.name)


def blanks_for_tabs(root):
    for path in (root / 'words.txt', root / 'val' / 'val_annotations.txt'):
        path.write_text(path.read_text().replace('\t', '   '))


@pytest.mark.parametrize('change', [sort_val, add_mac_files, double_folder, blanks_for_tabs])
def test_other_forms_of_the_same_images(tiny_imagenet, change):
    change(tiny_imagenet)
    train, val = TinyImageNet(tiny_imagenet), TinyImageNet(tiny_imagenet, 'val')
    assert len(train) == 18 and train.metainfo['classes'] == ('red', 'green', 'n00000003')
    assert [val.get_data_info(i)['gt_label'] for i in range(len(val))] == [0, 0, 1, 1, 2, 2]
    words = next(tiny_imagenet.rglob('words.txt'))
    words.unlink()
    assert TinyImageNet(tiny_imagenet).metainfo['classes'][0] == 'n00000001'
