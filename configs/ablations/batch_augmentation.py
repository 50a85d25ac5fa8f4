# Is it the same to augment whole batches on their device? What a GPU wants; a CPU's worker processes do as well.
#   python tools/train.py configs/ablations/batch_augmentation.py
_base_ = ['../unet_baseline.py']
model = dict(data_preprocessor=_base_.batch_augments.default)
train_dataloader = dict(dataset=dict(pipeline=_base_.plain_pipeline))
