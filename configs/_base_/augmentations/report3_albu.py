# Report 3's augmentation through albumentations: pip install -r requirements/albu.txt
albu_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations'),
    dict(type='ResizeToLoadSize'),
    dict(
        type='SeededAlbu',
        keymap=dict(img='image', gt_seg_map='mask'),
        transforms=[
            dict(type='HorizontalFlip', p=0.5),
            dict(type='VerticalFlip', p=0.5),
            dict(
                type='Affine',
                rotate=(-45, 45),
                translate_percent=(-0.1, 0.1),
                scale=(0.9, 1.1),
                keep_ratio=True,
                # what comes in from outside is no class
                fill_mask=255,
                p=0.5,
            ),
            dict(
                type='OneOf',
                transforms=[
                    dict(type='RandomBrightnessContrast', brightness_limit=0.125, contrast_limit=0.2),
                    # 1.x's var_limit is ignored with only a warning; a share of 255
                    dict(type='GaussNoise', std_range=(0.0, 0.0625)),
                    dict(type='GaussianBlur', sigma_limit=(0.1, 1.5), blur_limit=0),
                ],
                p=0.5,
            ),
        ],
    ),
    dict(type='PackSegInputs'),
]
