_base_ = ['./preprocessor.py', './losses.py']
model = dict(
    type='UNetSegmentor',
    data_preprocessor=_base_.preprocessor,
    backbone=dict(type='UNetEncoder'),
    decode_head=dict(
        type='UNetHead',
        loss_decode=_base_.losses.bce_dice,
        # rock is 5 % of the pixels: else the first ten epochs go by until the network expects that
        init_cfg=dict(type='Normal', std=0.01, bias_prob=0.05, override=dict(name='conv_seg')),
    ),
    train_cfg=dict(),
    test_cfg=dict(mode='whole'),
)
