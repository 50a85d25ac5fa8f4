# Report 3's classifier as encoder, 2,963,395 parameters, random weights.
#   python tools/train.py configs/reference/report3_narrow_resnet_scratch.py
_base_ = ['./report3_unet_base18.py']
model = dict(
    # the U-Net leaves the first stage out, whose width the stem has already
    backbone=dict(type='NarrowResNet', depths=(0, 2, 2, 2), out_indices=(0, 2, 3, 4)),
    decode_head=dict(type='BottleneckUNetHead', bottleneck_channels=288),
)
