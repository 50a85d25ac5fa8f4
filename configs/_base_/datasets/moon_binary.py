# Rocks on the Moon, 0 background and 1 rock, at 128x128 as in the reference reports.
# Where it lies: MOON_DATA=/some/folder, or data/MOON_SEGMENTATION_BINARY.
data_root = '{{$MOON_DATA:data/MOON_SEGMENTATION_BINARY}}'
moon = dict(
    type='MoonDataset',
    data_root=data_root,
    load_size=(128, 128),
    # decoded once, for all workers of a process; None decodes each time
    cache='ram',
    # one home: parts that are cut differently would share images
    val_fraction=0.2,
    test_fraction=0.0,
)

load_pair = [dict(type='LoadImageFromFile'), dict(type='LoadAnnotations'), dict(type='ResizeToLoadSize')]
train_pipeline = [
    *load_pair,
    dict(type='RandomFlip', prob=0.5),
    # up stays up: the sky is above, the sun's shadows lie on the ground
    dict(type='RandomRotate', prob=0.5, degree=10, pad_val=0, seg_pad_val=255),
    dict(type='PhotoMetricDistortion'),
    dict(type='PackSegInputs'),
]
# nothing random: for testing, and for training where the batch is augmented
plain_pipeline = [*load_pair, dict(type='PackSegInputs')]
test_pipeline = plain_pipeline
# the training set as two tensors on the device that computes, a batch a look-up; augmented there, by batch_augments:
# train_dataloader = _base_.whole_batches
whole_batches = dict(num_workers=0, persistent_workers=False, dataset=dict(cache='batches', pipeline=plain_pipeline))
# windows of a pair that is loaded larger: dataset=dict(load_size=(384, 256), pipeline=_base_.zoom_pipeline)
zoom_pipeline = [*load_pair, dict(type='RandomZoom', size=(128, 128), zoom=2.0, prob=0.5), dict(type='PackSegInputs')]
mirror = [dict(type='RandomFlip', prob=0.0), dict(type='RandomFlip', prob=1.0)]
pack = [dict(type='PackSegInputs')]
tta_pipeline = [*load_pair, dict(type='TestTimeAug', transforms=[mirror, pack])]
# three sizes too, the original one first, whose mask counts: tta_pipeline = _base_.scales_tta_pipeline
scales = [dict(type='Resize', scale_factor=factor, keep_ratio=True) for factor in (1.0, 0.5, 1.5)]
scales_tta_pipeline = [*load_pair, dict(type='TestTimeAug', transforms=[scales, mirror, pack])]
train_dataloader = dict(
    batch_size=8,
    num_workers=2,
    persistent_workers=True,
    # images of one size: a batch is two tensors
    collate_fn=dict(type='seg_batch_collate'),
    sampler=dict(type='DefaultSampler', shuffle=True),
    dataset=dict(**moon, split='train', pipeline=train_pipeline),
)
val_dataloader = dict(
    # scores and losses do not depend on it
    batch_size=16,
    num_workers=1,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(**moon, split='val', pipeline=test_pipeline, test_mode=True),
)
test_dataloader = val_dataloader
val_evaluator = dict(type='ClassIoUMetric')
test_evaluator = val_evaluator
