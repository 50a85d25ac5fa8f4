_base_ = ['../normalization.py']
model = dict(
    type='ImageClassifier',
    data_preprocessor=dict(mean=_base_.mean, std=_base_.std, to_rgb=True),
    backbone=dict(type='MoonNet', out_indices=(4,)),
    neck=dict(type='GlobalAveragePooling'),
    head=dict(
        type='LinearClsHead',
        in_channels=256,
        num_classes=200,
        loss=dict(type='LabelSmoothLoss', label_smooth_val=0.1, mode='original'),
        topk=(1, 5),
    ),
)
