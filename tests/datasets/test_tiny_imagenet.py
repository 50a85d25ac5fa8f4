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
