_base_ = ['../normalization.py']
model = dict(
    type='UNetSegmentor',
    data_preprocessor=dict(
        type='SegDataPreProcessor',
        mean=_base_.mean,
        std=_base_.std,
        bgr_to_rgb=True,
        size_divisor=16,
        pad_val=0,
        seg_pad_val=255,
    ),
    backbone=dict(type='UNetEncoder'),
    decode_head=dict(
        type='UNetHead',
        # class_weight=[5.0] in the first makes a missed rock pixel five times as dear
        loss_decode=[
            dict(type='CrossEntropyLoss', use_sigmoid=True, loss_weight=1.0, loss_name='loss_bce'),
            dict(type='BinaryDiceLoss', loss_weight=1.0),
        ],
    ),
    train_cfg=dict(),
    test_cfg=dict(mode='whole'),
)
