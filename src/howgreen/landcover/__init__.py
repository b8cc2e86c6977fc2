"""Composite in, class probabilities and green fraction out: every classifier is one ONNX file."""

from howgreen.landcover.card import card_from_json, card_to_json
from howgreen.landcover.classify import classify
from howgreen.landcover.model import SHIPPED, Model, default_model, load_model, models, require_bands
from howgreen.landcover.table import predict_table, table_bands

__all__ = [
    "SHIPPED",
    "Model",
    "card_from_json",
    "card_to_json",
    "classify",
    "default_model",
    "load_model",
    "models",
    "predict_table",
    "require_bands",
    "table_bands",
]
