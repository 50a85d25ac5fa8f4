# The same augmentations through albumentations (pip install -r requirements/albu.txt).
#   python tools/train.py configs/multiclass/unet_r34_albu.py
_base_ = ['./unet_r34.py', '../_base_/augmentations/report3_albu.py']
train_dataloader = dict(dataset=dict(pipeline=_base_.albu_pipeline))
