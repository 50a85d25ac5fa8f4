# The long recipe, for comparisons that do not only measure who learns faster: 200 epochs, strong augmentation of the batch,
# images in standardized grey, averaged weights. Here for the plain U-Net; long_scratch.py and those on top take it over.
#   python tools/train.py configs/ablations/long_baseline.py
_base_ = ['../unet_baseline.py']
model = dict(backbone=dict(grey_standardize=True), data_preprocessor=_base_.batch_augments.camera)
train_dataloader = dict(dataset=dict(pipeline=_base_.plain_pipeline))
default_hooks = dict(ema=_base_.ema)
train_cfg = dict(max_epochs=200, val_interval=10)
