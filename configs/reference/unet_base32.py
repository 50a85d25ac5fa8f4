# Plain U-Net at base 32, 7,765,985 parameters.
#   python tools/train.py configs/reference/unet_base32.py
_base_ = ['../unet_baseline.py']
model = dict(backbone=dict(widths=(32, 64, 128, 256, 512)))
