# What does an encoder bring that was pretrained here, without any download, on small pictures of 200 classes?
#   python tools/train.py configs/multiclass/unet_r34_tiny_imagenet.py
_base_ = ['./unet_r34.py']
# what resnet34_classifier.py leaves
checkpoint = '{{$MOON_RESNET34:work_dirs/resnet34_classifier/epoch_6.pth}}'
model = dict(backbone=dict(init_cfg=dict(type='Pretrained', checkpoint=checkpoint, prefix='backbone.')))
