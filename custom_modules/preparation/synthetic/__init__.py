"""Renders synthetic scenes of the Moon, with a mask of the rocks; deterministic by seed."""
