"""Trees of scikit-learn and LightGBM as ONNX tree ensembles: one writer for both, exact to the threshold.

The existing converters (skl2onnx, onnxmltools) use rows as inputs and outputs, with their own output names; here the
ensemble is one node inside the common graph of howgreen's models.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from howgreen.training.contest.graphs import ML_DOMAIN, Parts


@dataclass(kw_only=True)
class Ensemble:
    """Attributes of a ``TreeEnsembleRegressor`` under construction."""

    targets: int
    columns: dict[str, list[Any]] = field(default_factory=dict)
    trees: int = 0

    def _put(self, **values: Any) -> None:
        for name, value in values.items():
            self.columns.setdefault(name, []).append(value)

    def branch(self, node: int, *, feature: int, threshold: float, yes: int, no: int) -> None:
        """Add an inner node: ``yes`` if the feature is at most the threshold."""
        self._put(nodes_treeids=self.trees, nodes_nodeids=node, nodes_featureids=feature, nodes_modes="BRANCH_LEQ",
                  nodes_values=rounded_down(threshold), nodes_truenodeids=yes, nodes_falsenodeids=no)  # fmt: skip

    def leaf(self, node: int, values: Mapping[int, float]) -> None:
        """Add a leaf with its contribution to each target."""
        self._put(nodes_treeids=self.trees, nodes_nodeids=node, nodes_featureids=0, nodes_modes="LEAF",
                  nodes_values=0.0, nodes_truenodeids=0, nodes_falsenodeids=0)  # fmt: skip
        for target, weight in values.items():
            self._put(target_treeids=self.trees, target_nodeids=node, target_ids=target, target_weights=float(weight))

    def write(self, parts: Parts, rows: str, output: str) -> None:
        """Return the single node."""
        parts.add("TreeEnsembleRegressor", [rows], output, domain=ML_DOMAIN, n_targets=self.targets,
                  aggregate_function="SUM", post_transform="NONE", **self.columns)  # fmt: skip


def rounded_down(threshold: float) -> float:
    """Return the largest float32 not above: a float32 feature then takes the same branch as in the library."""
    single = np.float32(threshold)
    return float(np.nextafter(single, np.float32(-np.inf)) if float(single) > threshold else single)


def of_forest(forest: Any, *, targets: int) -> Ensemble:
    """Translate a fitted ``RandomForestRegressor`` of shares."""
    ensemble = Ensemble(targets=targets)
    for estimator in forest.estimators_:
        tree = estimator.tree_
        for node in range(tree.node_count):
            if tree.children_left[node] < 0:
                shares = tree.value[node, :, 0] / len(forest.estimators_)
                ensemble.leaf(node, {target: share for target, share in enumerate(shares) if share > 0})
            else:
                ensemble.branch(node, feature=int(tree.feature[node]), threshold=float(tree.threshold[node]),
                                yes=int(tree.children_left[node]), no=int(tree.children_right[node]))  # fmt: skip
        ensemble.trees += 1
    return ensemble


def of_booster(booster: Any, *, targets: int) -> Ensemble:
    """Translate a fitted LightGBM booster; tree number t adds to class t mod ``targets``."""
    ensemble = Ensemble(targets=targets)
    for number, info in enumerate(booster.dump_model()["tree_info"]):
        _boosted(ensemble, info["tree_structure"], number % targets)
        ensemble.trees += 1
    return ensemble


def _boosted(ensemble: Ensemble, root: Mapping[str, Any], target: int) -> None:
    pending, given = [(root, 0)], 1
    while pending:
        node, number = pending.pop()
        if "leaf_value" in node:
            ensemble.leaf(number, {target: node["leaf_value"]})
            continue
        ensemble.branch(number, feature=node["split_feature"], threshold=node["threshold"], yes=given, no=given + 1)
        pending += [(node["left_child"], given), (node["right_child"], given + 1)]
        given += 2
