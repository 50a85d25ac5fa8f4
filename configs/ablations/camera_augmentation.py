# What does augmentation for other cameras bring or cost, beside grey_standardized.py? Exposure, tone curve, blur and noise.
#   python tools/train.py configs/ablations/camera_augmentation.py
_base_ = ['./grey_standardized.py']
model = dict(data_preprocessor=_base_.batch_augments.camera)
train_dataloader = dict(dataset=dict(pipeline=_base_.plain_pipeline))
