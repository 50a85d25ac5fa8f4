"""Data preparation: a synthetic lunar set, the public lunar set, Tiny ImageNet, COCO annotations.

Needs numpy, opencv-python, Pillow, rich and, for COCO, pycocotools only, never torch or an OpenMMLab package, so that data can be
prepared before (or without) the training environment. The command line is `tools/prepare_data.py`.
"""
