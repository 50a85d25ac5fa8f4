# DeepLabV3+ (https://arxiv.org/abs/1802.02611) with ResNet-50 (weights: torchvision) at an output stride of 16, 3 classes.
# Structure after mmsegmentation's configs/_base_/models/deeplabv3plus_r50-d8.py (Apache-2.0), without its auxiliary head.
_base_ = ['./preprocessor.py']
model = dict(
    type='ValLossSegmentor',
    data_preprocessor=_base_.preprocessor,
    backbone=dict(
        type='ResNet',
        depth=50,
        strides=(1, 2, 2, 1),
        dilations=(1, 1, 1, 2),
        contract_dilation=True,
        # offline: init_cfg=None, or the path of a downloaded file
        init_cfg=dict(type='Pretrained', checkpoint='torchvision://resnet50'),
    ),
    decode_head=dict(
        type='LeanASPPHead',
        in_channels=2048,
        in_index=3,
        channels=512,
        dilations=(1, 6, 12, 18),
        c1_in_channels=256,
        c1_channels=48,
        num_classes=3,
        norm_cfg=dict(type='BN'),
        align_corners=False,
        loss_decode=[dict(type='CrossEntropyLoss')],
    ),
    train_cfg=dict(),
    test_cfg=dict(mode='whole'),
)
