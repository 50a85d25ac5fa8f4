# Variant A: the encoder is the pretrained classifier, and stays frozen; only the decoder learns.
#   python tools/train.py configs/unet_backbone_frozen.py
_base_ = ['./unet_backbone_scratch.py']
checkpoint = '{{fileDirname}}/../checkpoints/moon_net_tiny_imagenet_200.pth'
model = dict(backbone=dict(init_cfg=dict(type='Pretrained', checkpoint=checkpoint, prefix='backbone.')))
default_hooks = dict(freeze_schedule=dict(type='FreezeScheduleHook', schedule={0: 4}))
# for several processes: frozen parameters get no gradient
find_unused_parameters = True
