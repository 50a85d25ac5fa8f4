# Report 2: plain U-Net at base 16, 1,944,049 parameters; 0.5 BCE + 1.25 Dice.
#   python tools/train.py configs/reference/report2_unet_base16.py
_base_ = ['../unet_baseline.py']
bce_and_dice = [
    dict(type='CrossEntropyLoss', use_sigmoid=True, loss_weight=0.5, loss_name='loss_bce'),
    dict(type='BinaryDiceLoss', loss_weight=1.25),
]
model = dict(backbone=dict(widths=(16, 32, 64, 128, 256)), decode_head=dict(loss_decode=bce_and_dice, init_cfg=None))
optim_wrapper = dict(optimizer=dict(lr=1e-3))
