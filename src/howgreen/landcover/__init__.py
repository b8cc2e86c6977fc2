"""Composite in, class probabilities and green fraction out: every classifier is one ONNX file."""

from howgreen.landcover.adding import add_model, remove_model
from howgreen.landcover.card import card_from_json, card_to_json
from howgreen.landcover.cautions import cautions
from howgreen.landcover.classify import classify
from howgreen.landcover.model import (
    SHIPPED,
    Model,
    default_model,
    is_known,
    load_model,
    models,
    planned_model,
    require_bands,
)
from howgreen.landcover.table import predict_table, table_bands

__all__ = [
    "SHIPPED",
    "Model",
    "add_model",
    "card_from_json",
    "card_to_json",
    "cautions",
    "classify",
    "default_model",
    "is_known",
    "load_model",
    "models",
    "planned_model",
    "predict_table",
    "remove_model",
    "require_bands",
    "table_bands",
]
