"""Foreign models behind the contract: their answers stay equal to their own library's."""

from __future__ import annotations

import logging
import warnings

import numpy as np
import pytest

import onnx_models as theirs
from howgreen.core.errors import ModelError
from howgreen.landcover.model import load_model
from howgreen.landcover.wrap import WrappedClass, Wrapping, parse_classes, wrap_model

onnx = theirs.onnx
helper, numpy_helper, FLOAT = onnx.helper, onnx.numpy_helper, onnx.TensorProto.FLOAT
BANDS = ("blue", "green", "red", "nir")
CLASSES = (
    WrappedClass(name="tree", green=True, value=0),
    WrappedClass(name="grass", green=True, value=1),
    WrappedClass(name="built", green=False, value=2),
)
RNG = np.random.default_rng(5)
WEIGHT = RNG.normal(0, 4, (4, 3)).astype(np.float32)
IMAGE = RNG.uniform(0, 0.5, (1, 4, 16, 16)).astype(np.float32)


def _softmax(logits: np.ndarray, axis: int) -> np.ndarray:
    weights = np.exp(logits - logits.max(axis, keepdims=True))
    return weights / weights.sum(axis, keepdims=True)


TRUTH = _softmax(np.einsum("nchw,ck->nkhw", IMAGE, WEIGHT), 1)


def _save(path, nodes, tensors, shape, outputs, opset=17, elem=FLOAT):
    graph = helper.make_graph(
        nodes,
        "foreign",
        [helper.make_tensor_value_info("x", elem, shape)],
        [helper.make_tensor_value_info(name, kind, None) for name, kind in outputs],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in tensors.items()],
    )
    path.write_bytes(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8).SerializeToString()
    )
    return path


def _wrapped(path, out, **changes):
    values = {"bands": BANDS, "classes": CLASSES, "kind": "nchw", "answers": "logits", "tile_px": 16, "halo_px": 0}
    wrap_model(path, out, name="mine", wrapping=Wrapping(**(values | changes)))
    return load_model(out)


def _images(tmp_path, *, last=False, softmax=False, labels=False, scale=1.0, opset=17, side=None):
    """A linear classifier of images: bands second or last, logits or softmax or labels."""
    node = helper.make_node
    weight = (WEIGHT / scale).astype(np.float32)
    if last:
        nodes, tensors = [node("MatMul", ["x", "w"], ["logits"])], {"w": weight}
    else:
        nodes, tensors = [node("Conv", ["x", "w"], ["logits"])], {"w": weight.T[:, :, None, None].copy()}
    axis = 3 if last else 1
    name, kind = "logits", FLOAT
    if softmax:
        nodes.append(node("Softmax", ["logits"], ["p"], axis=axis))
        name = "p"
    if labels:
        nodes.append(node("ArgMax", ["logits"], ["label"], axis=axis, keepdims=int(labels == "kept")))
        name, kind = "label", onnx.TensorProto.INT64
    shape = ["n", side or "y", side or "x", 4] if last else ["n", 4, side or "y", side or "x"]
    return _save(tmp_path / "foreign.onnx", nodes, tensors, shape, [(name, kind)], opset)


@pytest.mark.parametrize(
    ("made", "told"),
    [
        ({}, {}),
        ({"softmax": True}, {"answers": "probability"}),
        ({"last": True}, {"kind": "nhwc"}),
        ({"last": True, "softmax": True}, {"kind": "nhwc", "answers": "probability"}),
        ({"scale": 10_000}, {"scale": 10_000}),
        ({"opset": 11}, {}),
        ({"side": 16}, {"tile_px": None}),
    ],
)
def test_an_image_model_answers_as_before(tmp_path, made, told):
    model = _wrapped(_images(tmp_path, **made), tmp_path / "mine.onnx", **told)
    prediction = model.run(IMAGE)
    np.testing.assert_allclose(prediction.probability, TRUTH, atol=1e-5)
    np.testing.assert_allclose(prediction.green_fraction[:, 0], TRUTH[:, :2].sum(1), atol=1e-5)


@pytest.mark.parametrize("labels", ["dropped", "kept"])
@pytest.mark.parametrize("last", [False, True])
def test_labels_become_certain_classes(tmp_path, labels, last):
    kind = "nhwc" if last else "nchw"
    model = _wrapped(_images(tmp_path, last=last, labels=labels), tmp_path / "m.onnx", kind=kind, answers="labels")
    probability = model.run(IMAGE).probability
    np.testing.assert_array_equal(probability.argmax(1), TRUTH.argmax(1))
    assert set(np.unique(probability)) == {0.0, 1.0}


def test_labels_of_other_numbers_find_their_class(tmp_path):
    classes = parse_classes("2=built, 0=tree:green, 1=grass:green")
    model = _wrapped(_images(tmp_path, labels="dropped"), tmp_path / "m.onnx", answers="labels", classes=classes)
    probability = model.run(IMAGE).probability
    np.testing.assert_array_equal(probability.argmax(1), np.array([1, 2, 0])[TRUTH.argmax(1)])


def test_mean_and_std_are_taken_band_by_band(tmp_path):
    mean, std = (0.1, 0.2, 0.3, 0.4), (0.5, 0.6, 0.7, 0.8)
    model = _wrapped(_images(tmp_path), tmp_path / "m.onnx", mean=mean, std=std)
    given = (IMAGE - np.reshape(mean, (1, 4, 1, 1))) / np.reshape(std, (1, 4, 1, 1))
    np.testing.assert_allclose(
        model.run(IMAGE).probability, _softmax(np.einsum("nchw,ck->nkhw", given, WEIGHT), 1), atol=1e-5
    )


@pytest.mark.parametrize("elem", [onnx.TensorProto.DOUBLE, FLOAT])
def test_a_table_model_answers_as_before(tmp_path, elem):
    dtype = np.float64 if elem == onnx.TensorProto.DOUBLE else np.float32
    nodes = [helper.make_node("MatMul", ["x", "w"], ["l"]), helper.make_node("Softmax", ["l"], ["p"], axis=1)]
    path = _save(tmp_path / "f.onnx", nodes, {"w": WEIGHT.astype(dtype)}, ["rows", 4], [("p", elem)], elem=elem)
    model = _wrapped(path, tmp_path / "m.onnx", kind="table", answers="probability")
    np.testing.assert_allclose(model.run(IMAGE).probability, TRUTH, atol=1e-5)
    assert not model.card.looks_around


def test_a_regression_of_the_green_share(tmp_path):
    nodes = [helper.make_node("MatMul", ["x", "w"], ["s"]), helper.make_node("Sigmoid", ["s"], ["f"])]
    path = _save(tmp_path / "f.onnx", nodes, {"w": WEIGHT[:, :1].copy()}, ["rows", 4], [("f", FLOAT)])
    classes = parse_classes("other,vegetation:green")
    model = _wrapped(path, tmp_path / "m.onnx", kind="table", answers="fraction", classes=classes)
    truth = 1 / (1 + np.exp(-np.einsum("nchw,c->nhw", IMAGE, WEIGHT[:, 0])))
    np.testing.assert_allclose(model.run(IMAGE).green_fraction[:, 0], truth, atol=1e-5)


def test_the_card_says_what_was_told(tmp_path):
    card = _wrapped(_images(tmp_path), tmp_path / "m.onnx", halo_px=2).card
    assert (card.name, card.bands, card.tile_px, card.halo_px, card.stride_px) == ("mine", BANDS, 16, 2, 12)
    assert [(one.name, one.green) for one in card.classes] == [("tree", True), ("grass", True), ("built", False)]
    assert card.reference_error is None


@pytest.mark.parametrize(
    ("text", "word"),
    [("", "write NAME"), ("tree:gren", "write NAME"), ("a,a", "twice"), ("1=a,1=b", "twice"), ("x=a", "write NAME")],
)
def test_classes_that_cannot_be_are_refused(text, word):
    with pytest.raises(ModelError, match=word):
        parse_classes(text)


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"kind": "table"}, "a table has two"),
        ({"mean": (0.1,)}, "1 numbers for 4 bands"),
        ({"std": (1.0, 1.0, 0.0, 1.0)}, "divided by 0"),
        ({"answers": "fraction"}, "give two classes"),
        ({"classes": parse_classes("a,b,c")}, "none of them is green"),
        ({"classes": parse_classes("1=a:green,0=b,2=c")}, "numbers are for --answers labels"),
    ],
)
def test_what_cannot_be_wrapped_says_why(tmp_path, changes, word):
    with pytest.raises(ModelError, match=word):
        _wrapped(_images(tmp_path), tmp_path / "m.onnx", **changes)


def test_files_that_are_no_models(tmp_path):
    for content in (b"", b"<html>", b"\x00" * 100):
        (tmp_path / "x.onnx").write_bytes(content)
        with pytest.raises(ModelError):
            _wrapped(tmp_path / "x.onnx", tmp_path / "m.onnx")
    with pytest.raises(ModelError, match="cannot be read"):
        _wrapped(tmp_path / "absent.onnx", tmp_path / "m.onnx")
    assert not (tmp_path / "m.onnx").exists()


def _reflectance(n=400):
    rng = np.random.default_rng(0)
    x = rng.uniform(0, 0.5, (n, 4)).astype(np.float32)
    return x, np.where(x[:, 3] > 0.3, 0, np.where(x[:, 2] > 0.25, 1, 2))


@pytest.mark.train
@pytest.mark.parametrize("zipmap", [True, False])
@pytest.mark.parametrize("kind", ["forest", "logistic", "knn", "boosting"])
def test_scikit_learn_as_people_export_it(tmp_path, kind, zipmap):
    pytest.importorskip("sklearn")
    to_onnx = pytest.importorskip("skl2onnx").to_onnx
    from sklearn.ensemble import GradientBoostingClassifier, RandomForestClassifier
    from sklearn.linear_model import LogisticRegression
    from sklearn.neighbors import KNeighborsClassifier

    x, y = _reflectance()
    learner = {
        "forest": RandomForestClassifier(20, random_state=0), "logistic": LogisticRegression(),
        "knn": KNeighborsClassifier(5), "boosting": GradientBoostingClassifier(n_estimators=5, random_state=0),
    }[kind].fit(x, y)  # fmt: skip
    path = tmp_path / "f.onnx"
    path.write_bytes(to_onnx(learner, x[:1], options={id(learner): {"zipmap": zipmap}}).SerializeToString())
    model = _wrapped(path, tmp_path / "m.onnx", kind="table", answers="probability")
    rows = np.moveaxis(IMAGE, 1, -1).reshape(-1, 4)
    truth = np.moveaxis(learner.predict_proba(rows).reshape(1, 16, 16, 3), -1, 1)
    np.testing.assert_allclose(model.run(IMAGE).probability, truth, atol=1e-4)


@pytest.mark.train
def test_lightgbm_as_people_export_it(tmp_path):
    lightgbm = pytest.importorskip("lightgbm")
    convert = pytest.importorskip("onnxmltools").convert_lightgbm
    from onnxmltools.convert.common.data_types import FloatTensorType

    x, y = _reflectance()
    learner = lightgbm.LGBMClassifier(n_estimators=10, verbose=-1, n_jobs=1).fit(x, y)
    path = tmp_path / "f.onnx"
    path.write_bytes(convert(learner, initial_types=[("x", FloatTensorType([None, 4]))]).SerializeToString())
    model = _wrapped(path, tmp_path / "m.onnx", kind="table", answers="probability")
    rows = np.moveaxis(IMAGE, 1, -1).reshape(-1, 4)
    truth = np.moveaxis(learner.booster_.predict(rows).reshape(1, 16, 16, 3), -1, 1)
    np.testing.assert_allclose(model.run(IMAGE).probability, truth, atol=1e-4)


@pytest.mark.train
@pytest.mark.parametrize("dynamo", [False, True])
def test_torch_by_both_exporters(tmp_path, dynamo):
    torch = pytest.importorskip("torch")
    if dynamo:
        pytest.importorskip("onnxscript")
    torch.manual_seed(0)
    net = torch.nn.Sequential(torch.nn.Conv2d(4, 8, 3, padding=1), torch.nn.ReLU(), torch.nn.Conv2d(8, 3, 1)).eval()
    path = tmp_path / "f.onnx"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # each of torch's exporters calls things that torch itself retires
        torch.onnx.export(net, (torch.zeros(1, 4, 16, 16),), str(path), dynamo=dynamo, input_names=["x"], verbose=False)
    model = _wrapped(path, tmp_path / "m.onnx", halo_px=1, tile_px=None)
    with torch.no_grad():
        truth = torch.softmax(net(torch.from_numpy(IMAGE)), 1).numpy()
    np.testing.assert_allclose(model.run(IMAGE).probability, truth, atol=1e-4)


@pytest.mark.train
def test_xgboost_as_people_export_it(tmp_path):
    xgboost = pytest.importorskip("xgboost")
    convert = pytest.importorskip("onnxmltools").convert_xgboost
    from onnxmltools.convert.common.data_types import FloatTensorType

    x, y = _reflectance()
    learner = xgboost.XGBClassifier(n_estimators=10, max_depth=3, n_jobs=1).fit(x, y)
    path = tmp_path / "f.onnx"
    path.write_bytes(convert(learner, initial_types=[("x", FloatTensorType([None, 4]))]).SerializeToString())
    rows = np.moveaxis(IMAGE, 1, -1).reshape(-1, 4)
    truth = np.moveaxis(learner.predict_proba(rows).reshape(1, 16, 16, 3), -1, 1)
    model = _wrapped(path, tmp_path / "m.onnx", kind="table", answers="probability")
    np.testing.assert_allclose(model.run(IMAGE).probability, truth, atol=1e-4)
    labels = _wrapped(path, tmp_path / "l.onnx", kind="table", answers="labels")
    assert (labels.run(IMAGE).probability.argmax(1)[0].ravel() == learner.predict(rows)).all()


@pytest.mark.train
@pytest.mark.parametrize("labels", ["whole", "text"])
def test_labels_of_scikit_learn(tmp_path, labels):
    pytest.importorskip("sklearn")
    to_onnx = pytest.importorskip("skl2onnx").to_onnx
    from sklearn.tree import DecisionTreeClassifier

    x, y = _reflectance()
    names = np.array(["tree", "grass", "built"])
    learner = DecisionTreeClassifier(random_state=0).fit(x, names[y] if labels == "text" else y)
    path = tmp_path / "f.onnx"
    path.write_bytes(to_onnx(learner, x[:1], options={id(learner): {"zipmap": False}}).SerializeToString())
    if labels == "text":
        with pytest.raises(ModelError, match="its labels are text; say --answers probability"):
            _wrapped(path, tmp_path / "m.onnx", kind="table", answers="labels")
        return
    model = _wrapped(path, tmp_path / "m.onnx", kind="table", answers="labels")
    rows = np.moveaxis(IMAGE, 1, -1).reshape(-1, 4)
    assert (model.run(IMAGE).probability.argmax(1)[0].ravel() == learner.predict(rows)).all()


def _unet(torch):
    from monai.networks.nets.unet import UNet

    torch.manual_seed(0)
    return UNet(spatial_dims=2, in_channels=4, out_channels=3, channels=(4, 8), strides=(2,), norm="batch").eval()


def _exported(torch, net, path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch calls what it retires itself
        torch.onnx.export(net, (torch.zeros(1, 4, 16, 16),), str(path), dynamo=False, input_names=["x"])
    return path


@pytest.mark.train
def test_a_unet_of_monai(tmp_path):
    torch = pytest.importorskip("torch")
    pytest.importorskip("monai")
    net = _unet(torch)
    model = _wrapped(_exported(torch, net, tmp_path / "f.onnx"), tmp_path / "m.onnx", halo_px=4, tile_px=None)
    with torch.no_grad():
        truth = torch.softmax(net(torch.from_numpy(IMAGE)), 1).numpy()
    np.testing.assert_allclose(model.run(IMAGE).probability, truth, atol=1e-4)


@pytest.mark.train
@pytest.mark.parametrize("way", ["half", "on the fly", "fixed"])
def test_quantised_networks_answer_as_before(tmp_path, way):
    torch = pytest.importorskip("torch")
    pytest.importorskip("monai")
    path, small = _exported(torch, _unet(torch), tmp_path / "f.onnx"), tmp_path / "q.onnx"
    if way == "half":
        net = onnx.load(path)
        for tensor in net.graph.initializer:
            if tensor.data_type == FLOAT:
                values = onnx.numpy_helper.to_array(tensor).astype(np.float16)
                tensor.CopyFrom(onnx.numpy_helper.from_array(values, tensor.name))
        for value in (net.graph.input[0], net.graph.output[0]):
            value.type.tensor_type.elem_type = onnx.TensorProto.FLOAT16
        onnx.save(net, small)
    else:
        _quantised(path, small, on_the_fly=way == "on the fly")
    model = _wrapped(small, tmp_path / "m.onnx", halo_px=4, tile_px=None)
    import onnxruntime

    session = onnxruntime.InferenceSession(small, providers=["CPUExecutionProvider"])
    given = IMAGE.astype(np.float16) if way == "half" else IMAGE
    (logits,) = session.run(None, {session.get_inputs()[0].name: given})
    np.testing.assert_allclose(model.run(IMAGE).probability, _softmax(logits.astype(np.float32), 1), atol=2e-3)


def _quantised(path, small, *, on_the_fly):
    from onnxruntime import quantization

    logging.disable(logging.WARNING)  # it advises a step that changes nothing here
    try:
        if on_the_fly:
            quantization.quantize_dynamic(path, small, weight_type=quantization.QuantType.QUInt8)
            return

        class Reader(quantization.CalibrationDataReader):
            def __init__(self):
                self.left = [{"x": IMAGE}]

            def get_next(self):
                return self.left.pop() if self.left else None

        quantization.quantize_static(path, small, Reader())
    finally:
        logging.disable(logging.NOTSET)


@pytest.mark.train
def test_weights_in_a_file_beside_it_are_taken_in(tmp_path):
    torch = pytest.importorskip("torch")
    pytest.importorskip("onnxscript")
    net = torch.nn.Sequential(torch.nn.Conv2d(4, 64, 1), torch.nn.ReLU(), torch.nn.Conv2d(64, 3, 1)).eval()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            net,
            (torch.zeros(1, 4, 16, 16),),
            str(tmp_path / "f.onnx"),
            dynamo=True,
            external_data=True,
            input_names=["x"],
            verbose=False,
        )
    assert (tmp_path / "f.onnx.data").exists()
    model = _wrapped(tmp_path / "f.onnx", tmp_path / "m.onnx", halo_px=0, tile_px=None)
    (tmp_path / "f.onnx.data").unlink()
    with torch.no_grad():
        truth = torch.softmax(net(torch.from_numpy(IMAGE)), 1).numpy()
    np.testing.assert_allclose(model.run(IMAGE).probability, truth, atol=1e-4)
