"""Decode once: a cache of decoded samples that all processes share."""
