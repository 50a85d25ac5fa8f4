# Plain U-Net at base 32, 7,765,985 parameters.
#   python tools/train.py configs/reference/unet_base32.py
_base_ = ['../unet_baseline.py']
model = dict(backbone=dict(widths=(32, 64, 128, 256, 512)), decode_head=dict(init_cfg=None))
optim_wrapper = dict(optimizer=dict(lr=1e-3))
