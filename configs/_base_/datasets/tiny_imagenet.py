# Tiny ImageNet-200. Where it lies: TINY_IMAGENET=/some/folder, or data/tiny-imagenet-200.
data_root = '{{$TINY_IMAGENET:data/tiny-imagenet-200}}'
image_size = 128

train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='RandomResizedCrop', scale=image_size, crop_ratio_range=(0.35, 1.0)),
    dict(type='RandomFlip', prob=0.5),
    dict(type='ColorJitter', brightness=0.3, contrast=0.3, saturation=0.3, backend='cv2'),
    # the Moon is grey: an encoder for it must not lean on colour alone
    dict(type='RandomGrayscale', prob=0.3, keep_channels=True, channel_weights=(0.114, 0.587, 0.299)),
    dict(type='PackInputs'),
]
test_pipeline = [dict(type='LoadImageFromFile'), dict(type='Resize', scale=(image_size, image_size)), dict(type='PackInputs')]
tta_pipeline = [
    *test_pipeline[:-1],
    dict(
        type='TestTimeAug',
        transforms=[[dict(type='RandomFlip', prob=0.0), dict(type='RandomFlip', prob=1.0)], [dict(type='PackInputs')]],
    ),
]
train_dataloader = dict(
    batch_size=64,
    num_workers=2,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=True),
    dataset=dict(
        type='TinyImageNet',
        data_root=data_root,
        split='train',
        pipeline=train_pipeline,
        # decoded once, for all workers of a process: 1.2 GB of memory, and 0.5 GB for validation; without room, each time
        cache='ram',
    ),
)
val_dataloader = dict(
    batch_size=64,
    num_workers=2,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(type='TinyImageNet', data_root=data_root, split='val', pipeline=test_pipeline, test_mode=True, cache='ram'),
)
test_dataloader = val_dataloader
val_evaluator = [dict(type='Accuracy', topk=(1, 5)), dict(type='ClassificationReport')]
test_evaluator = val_evaluator
