"""Moon rock segmentation: an OpenMMLab plugin project."""
