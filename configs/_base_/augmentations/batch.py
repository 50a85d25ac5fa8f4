# Augmentation of whole batches on their device, in place of random transforms in the pipeline. Two lines of an experiment:
#   model = dict(data_preprocessor=_base_.batch_augments.default)
#   train_dataloader = dict(dataset=dict(pipeline=_base_.plain_pipeline))
batch_augments = dict(
    # what moon_binary.py's train_pipeline draws, but for colour: up stays up
    default=dict(
        type='BatchAugPreProcessor',
        augments=[
            dict(type='BatchRandomFlip', prob=0.5),
            dict(type='BatchRandomAffine', prob=0.5, degree=10),
            dict(type='BatchPhotoMetricDistortion'),
        ],
    ),
    # further in each, and a smaller or larger, a coarser or a blurred camera
    strong=dict(
        type='BatchAugPreProcessor',
        augments=[
            dict(type='BatchRandomFlip', prob=0.5),
            dict(type='BatchRandomAffine', prob=0.75, degree=20, translate=0.1, scale=0.25),
            dict(type='BatchPhotoMetricDistortion'),
            dict(type='BatchRandomGamma', prob=0.5, gamma_range=(0.67, 1.5)),
            dict(
                type='BatchRandomChoice',
                prob=0.5,
                augments=[dict(type='BatchRandomNoise', std=16.0), dict(type='BatchRandomBlur', sigma=1.5)],
            ),
        ],
    ),
    # for cameras that no training image is from: exposure up to clipping, tone curve, noise and blur; best with
    # model = dict(backbone=dict(grey_standardize=True))
    camera=dict(
        type='BatchAugPreProcessor',
        augments=[
            dict(type='BatchRandomFlip', prob=0.5),
            dict(type='BatchRandomAffine', prob=0.75, degree=15, translate=0.1, scale=0.3),
            dict(type='BatchRandomGamma', prob=0.8, gamma_range=(0.5, 2.0)),
            dict(type='BatchPhotoMetricDistortion', brightness_delta=40, contrast_range=(0.5, 2.0)),
            dict(type='BatchRandomBlur', prob=0.3, sigma=1.5),
            dict(type='BatchRandomNoise', prob=0.5, std=16.0),
        ],
    ),
    # the pipelines of report1.py and report3.py
    report1=dict(type='BatchAugPreProcessor', augments=[dict(type='BatchRandomFlip', prob=0.5)]),
    report3=dict(
        type='BatchAugPreProcessor',
        augments=[
            dict(type='BatchRandomFlip', prob=0.5, direction='horizontal'),
            dict(type='BatchRandomFlip', prob=0.5, direction='vertical'),
            dict(type='BatchRandomAffine', prob=0.5, degree=45, translate=0.1, scale=0.1),
            dict(
                type='BatchRandomChoice',
                prob=0.5,
                augments=[
                    dict(type='BatchPhotoMetricDistortion', brightness_delta=32, contrast_range=(0.8, 1.2)),
                    dict(type='BatchRandomNoise', std=16.0),
                    dict(type='BatchRandomBlur', sigma=1.5),
                ],
            ),
        ],
    ),
)
