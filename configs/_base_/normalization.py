# ImageNet's mean and standard deviation (RGB, 0..255). The one home of both: a frozen encoder must be
# fed what its classifier saw, so every model base reads them from here.
mean = [123.675, 116.28, 103.53]
std = [58.395, 57.12, 57.375]
