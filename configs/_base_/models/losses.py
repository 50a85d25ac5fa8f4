# Losses for one sigmoid channel, to choose from by one line:
#   model = dict(decode_head=dict(loss_decode=_base_.losses.tversky))
# Their weights: --cfg-options model.decode_head.loss_decode.1.loss_weight=1.25
losses = dict(
    bce=[dict(type='CrossEntropyLoss', use_sigmoid=True, loss_name='loss_bce')],
    # a missed rock pixel is ten times as dear; tools/class_weights.py computes what balances a set
    weighted_bce=[dict(type='CrossEntropyLoss', use_sigmoid=True, class_weight=[10.0], loss_name='loss_bce')],
    dice=[dict(type='BinaryDiceLoss')],
    bce_dice=[
        dict(type='CrossEntropyLoss', use_sigmoid=True, loss_weight=1.0, loss_name='loss_bce'),
        dict(type='BinaryDiceLoss', loss_weight=1.0),
    ],
    # what the detectors learn from
    weighted_bce_dice=[
        dict(type='CrossEntropyLoss', use_sigmoid=True, class_weight=[4.0], loss_name='loss_bce'),
        dict(type='BinaryDiceLoss'),
    ],
    # mmseg's own is right for one channel, image by image
    lovasz=[dict(type='LovaszLoss', loss_type='binary', per_image=True)],
    tversky=[dict(type='BinaryTverskyLoss', alpha=0.3, beta=0.7)],
    focal=[dict(type='BinaryFocalLoss', alpha=0.75, gamma=2.0)],
)
