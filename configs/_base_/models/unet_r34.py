# U-Net with a ResNet-34 encoder (weights: torchvision) and this project's head, 3 classes.
_base_ = ['./preprocessor.py']
model = dict(
    type='UNetSegmentor',
    data_preprocessor=_base_.preprocessor,
    backbone=dict(
        type='ResNetWithStem',
        depth=34,
        # offline: init_cfg=None, or the path of a downloaded file
        init_cfg=dict(type='Pretrained', checkpoint='torchvision://resnet34'),
    ),
    decode_head=dict(type='UNetHead', num_classes=3, loss_decode=[dict(type='CrossEntropyLoss')]),
    train_cfg=dict(),
    test_cfg=dict(mode='whole'),
)
