# Is it the same to augment whole batches on their device, where all images lie as one tensor? What a GPU wants.
#   python tools/train.py configs/ablations/batch_augmentation.py
_base_ = ['../unet_baseline.py']
model = dict(data_preprocessor=_base_.batch_augments.default)
train_dataloader = _base_.whole_batches
