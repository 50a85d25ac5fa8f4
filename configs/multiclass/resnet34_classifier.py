# ResNet-34 on Tiny ImageNet's 200 classes at 64x64: the encoder of unet_r34_tiny_imagenet, for those who cannot download one.
#   python tools/train.py configs/multiclass/resnet34_classifier.py --amp
_base_ = ['../classifier.py']
model = dict(backbone=dict(_delete_=True, type='ResNet', depth=34), head=dict(in_channels=512))
train_dataloader = dict(batch_size=128)
# the images are 64x64
val_dataloader = dict(dataset=dict(pipeline=_base_.plain_pipeline))
test_dataloader = val_dataloader
optim_wrapper = dict(optimizer=dict(lr=2e-3))
# two hours on a core: edges and textures come first
train_cfg = dict(max_epochs=6, val_interval=1)
default_hooks = dict(progressive_resize=dict(stages=[(0.0, 64)]))
