"""Data preparation, for `tools/prepare_data.py`; needs neither torch nor an OpenMMLab package, so that it can be done before."""
