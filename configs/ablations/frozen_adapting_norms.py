# Is it the batch norms? The frozen encoder's weights rest, but its norms normalise by the batch and adapt.
#   python tools/train.py configs/ablations/frozen_adapting_norms.py
_base_ = ['../unet_backbone_frozen.py']
model = dict(backbone=dict(frozen_norm_eval=False))
