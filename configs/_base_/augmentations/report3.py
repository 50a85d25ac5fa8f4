# Report 3's augmentation: flips, rotation by up to 45 degrees, translation and scaling by up to 10 %, and
# one of brightness/contrast, noise and blur. report3_albu.py draws the like through albumentations.
augmented_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations'),
    dict(type='ResizeToLoadSize'),
    dict(type='RandomFlip', prob=0.5, direction='horizontal'),
    dict(type='RandomFlip', prob=0.5, direction='vertical'),
    dict(type='RandomAffine', prob=0.5, degree=45, translate=0.1, scale=0.1),
    dict(
        type='RandomApply',
        prob=0.5,
        transforms=[
            dict(
                type='RandomChoice',
                transforms=[
                    [
                        dict(
                            type='PhotoMetricDistortion',
                            brightness_delta=32,
                            contrast_range=(0.8, 1.2),
                            saturation_range=(1.0, 1.0),
                            # 0 would raise; on grey it changes nothing
                            hue_delta=1,
                        )
                    ],
                    [dict(type='RandomNoise', std=16.0)],
                    [dict(type='RandomBlur', sigma=1.5)],
                ],
            )
        ],
    ),
    dict(type='PackSegInputs'),
]
