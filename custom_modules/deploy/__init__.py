"""Using a trained model: prediction on photographs, export to ONNX, a page to try it on.

Nothing here imports torch or mmseg before a config with a checkpoint is used.
"""

from custom_modules.deploy.detector import Detection, RockDetector

__all__ = ['Detection', 'RockDetector']
