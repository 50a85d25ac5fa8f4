# A quiet mistake: the frozen encoder is fed values of 0..1, and not what its classifier saw.
#   python tools/train.py configs/ablations/wrong_normalisation.py
_base_ = ['../unet_backbone_frozen.py']
model = dict(data_preprocessor=dict(mean=[0.0, 0.0, 0.0], std=[255.0, 255.0, 255.0]))
