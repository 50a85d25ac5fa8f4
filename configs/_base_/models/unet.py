_base_ = ['./preprocessor.py', './losses.py']
model = dict(
    type='UNetSegmentor',
    data_preprocessor=_base_.preprocessor,
    backbone=dict(type='UNetEncoder'),
    decode_head=dict(type='UNetHead', loss_decode=_base_.losses.bce_dice),
    train_cfg=dict(),
    test_cfg=dict(mode='whole'),
)
