"""From a composite to class probabilities and green fraction: every classifier is one ONNX file."""

from howgreen.landcover._adding import Added, add_model, remove_model
from howgreen.landcover._library import Entry, entry
from howgreen.landcover._library import names as added_names
from howgreen.landcover._smoke_test import try_model
from howgreen.landcover._table import predict_table, table_bands
from howgreen.landcover.card import card_from_json, card_to_json
from howgreen.landcover.classify import classify
from howgreen.landcover.model import (
    FOR_RADAR,
    SHIPPED,
    Model,
    card_of,
    default_model,
    for_plan,
    is_known,
    load_model,
    model_warnings,
    models,
    planned_model,
    radar_models,
    require_bands,
)

__all__ = [
    "FOR_RADAR",
    "SHIPPED",
    "Added",
    "Entry",
    "Model",
    "add_model",
    "added_names",
    "card_from_json",
    "card_of",
    "card_to_json",
    "classify",
    "default_model",
    "entry",
    "for_plan",
    "is_known",
    "load_model",
    "model_warnings",
    "models",
    "planned_model",
    "predict_table",
    "radar_models",
    "remove_model",
    "require_bands",
    "table_bands",
    "try_model",
]
