# Plain U-Net from scratch, 2,459,719 parameters: what every other row is compared with.
#   python tools/train.py configs/unet_baseline.py
_base_ = [
    './_base_/models/unet.py',
    './_base_/datasets/moon_binary.py',
    './_base_/schedules/segmentor_40e.py',
    './_base_/seg_runtime.py',
]
