"""Pictures and log lines."""

from .panel_visualizer import PanelVisualizer
from .score_log_processor import ScoreLogProcessor

__all__ = ['PanelVisualizer', 'ScoreLogProcessor']
