# The other source of pretraining: the same network finds rocks in the project's own synthetic scenes.
#   python tools/prepare_data.py synthetic --count 500 --out data/moon_synthetic_500
#   python tools/train.py configs/ablations/synthetic_pretraining.py
_base_ = ['../unet_backbone_scratch.py']
