# What every segmentor does to an image first.
_base_ = ['../normalization.py', '../augmentations/batch.py']
preprocessor = dict(
    type='BatchAugPreProcessor', mean=_base_.mean, std=_base_.std, bgr_to_rgb=True, size_divisor=32, pad_val=0, seg_pad_val=255
)
