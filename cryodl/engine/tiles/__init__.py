"""Predicting a large array piece by piece, with the same result as in one piece."""

from .grid import Tile, TileGrid, choose_tile, fitting_grid
from .predict import predict_tiled

__all__ = ["Tile", "TileGrid", "choose_tile", "fitting_grid", "predict_tiled"]
