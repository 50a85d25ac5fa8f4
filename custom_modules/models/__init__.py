"""Models; ``backbones`` and ``layers`` need neither mmseg nor mmpretrain."""
