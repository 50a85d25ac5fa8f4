# How far does a ResNet-34 from random weights come by the means of moon_net_unet: 150 epochs, strong augmentation, Lovasz loss?
#   python tools/train.py configs/multiclass/unet_r34_long.py
_base_ = ['./moon_net_unet.py']
model = dict(backbone=dict(_delete_=True, type='ResNetWithStem', depth=34))
