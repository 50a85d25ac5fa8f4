# Rocks on the Moon by size at 256x256: 0 background (ground and sky), 1 small rock, 2 large rock.
# Where it lies: MOON_MULTICLASS_DATA=/some/folder, or data/MOON_SEGMENTATION_MULTICLASS.
_base_ = ['./moon_binary.py']
data_root = '{{$MOON_MULTICLASS_DATA:data/MOON_SEGMENTATION_MULTICLASS}}'
lunar = dict(
    type='IndexedMaskDataset',
    data_root=data_root,
    remedy='run tools/prepare_data.py lunar SRC or set MOON_MULTICLASS_DATA',
    classes=('background', 'small_rock', 'large_rock'),
    # mask value, class; pairs, since a config that inherits replaces a list and merges a dict
    label_map=[(0, 0), (1, 0), (2, 1), (3, 2)],
    data_prefix=dict(img_path='images/render', seg_map_path='images/ground'),
    img_prefix='render',
    mask_prefix='ground',
    load_size=(256, 256),
    # one home: parts that are cut differently would share images
    val_fraction=0.2,
    test_fraction=0.2,
)
train_dataloader = dict(
    batch_size=8,
    # a pooled branch, as in ASPP, has one value per image and channel: it cannot normalise a last batch of one
    drop_last=True,
    dataset=lunar,
)
val_dataloader = dict(batch_size=8, dataset=lunar)
test_dataloader = dict(batch_size=8, dataset=dict(**lunar, split='test'))
val_evaluator = dict(report_classes=('small_rock', 'large_rock'))
test_evaluator = val_evaluator
