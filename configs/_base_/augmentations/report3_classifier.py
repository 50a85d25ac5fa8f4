# Report 3's augmentation of its classifier: crop, flip, rotation, colour jitter.
augmented_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='RandomResizedCrop', scale=128, crop_ratio_range=(0.35, 1.0)),
    dict(type='RandomFlip', prob=0.5),
    # any angle up to 15 degrees: level 10 of 10 at most, drawn evenly
    dict(type='Rotate', magnitude_range=(0, 15), magnitude_level=10, magnitude_std='inf', interpolation='bilinear'),
    dict(type='ColorJitter', brightness=0.3, contrast=0.3, saturation=0.3, backend='cv2'),
    dict(type='PackInputs'),
]
