_base_ = ['../normalization.py', './losses.py']
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
    decode_head=dict(type='UNetHead', loss_decode=_base_.losses.bce_dice),
    train_cfg=dict(),
    test_cfg=dict(mode='whole'),
)
