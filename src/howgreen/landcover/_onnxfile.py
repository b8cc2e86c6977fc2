"""The contents of an ONNX file, inspected before anything runs it.

A minimal description of the format (the message and field numbers of onnx.proto) is given to protobuf, which ONNX
Runtime depends on; the onnx package would do the same for another 20 MB.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from howgreen.core.errors import ModelError
from howgreen.landcover.card import METADATA_KEY

if TYPE_CHECKING:
    from google.protobuf.message import Message

MOST_BYTES = 500_000_000
"""A larger file is not a model for howgreen."""

_LAYOUT: dict[str, dict[str, tuple[int, str]]] = {
    "Model": {"graph": (7, "Graph"), "metadata": (14, "Entry*"), "training": (20, "Training*"), "functions": (25, "Function*")},
    "Training": {"initialization": (1, "Graph"), "algorithm": (2, "Graph")},
    "Graph": {"node": (1, "Node*"), "initializer": (5, "Tensor*"), "sparse_initializer": (15, "Sparse*")},
    "Function": {"node": (7, "Node*"), "attribute": (11, "Attribute*")},
    "Node": {"attribute": (5, "Attribute*")},
    "Attribute": {
        "t": (5, "Tensor"), "g": (6, "Graph"), "tensors": (10, "Tensor*"), "graphs": (11, "Graph*"),
        "sparse_tensor": (22, "Sparse"), "sparse_tensors": (23, "Sparse*"),
    },
    "Sparse": {"values": (1, "Tensor"), "indices": (2, "Tensor")},
    "Tensor": {"external_data": (13, "Entry*"), "data_location": (14, "int32")},
    "Entry": {"key": (1, "bytes"), "value": (2, "bytes")},
}  # fmt: skip
"""Message to field to (number in onnx.proto, type); ``*`` if repeated. All other fields are skipped."""


def read_file(path: Path) -> bytes:
    """Read the bytes of a model's file.

    Raises
    ------
    OSError, ValueError
        It cannot be read, or is not a path.
    ModelError
        It is not an ordinary file, or too large for a model.
    """
    with open(path, "rb", opener=_without_waiting) as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise ModelError(f"model {path}: not an ordinary file; give an ONNX file")
        content = b"" if status.st_size > MOST_BYTES else file.read(MOST_BYTES + 1)
        if max(status.st_size, len(content)) > MOST_BYTES:
            raise ModelError(
                f"model {path}: has {status.st_size:,} bytes, and {MOST_BYTES / 1e6:.0f} MB are the most that is taken; "
                "export a smaller one"
            )
    return content


def why(error: OSError | ValueError) -> str:
    """Say why a path has no readable file."""
    return (error.strerror if isinstance(error, OSError) else None) or str(error)


def _without_waiting(path: str, flags: int) -> int:
    """Open a file without blocking on a pipe that has no writer."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def card_text(content: bytes, *, source: str) -> str:
    """Read the card inside a file that contains all its weights.

    Raises
    ------
    ModelError
        Not an ONNX file, weights in other files, or no card.
    """
    model = _parsed(content, source)
    outside = sorted({_location(tensor) for tensor in _tensors(model) if tensor.external_data or tensor.data_location})
    if outside:
        raise ModelError(
            f"model {source}: keeps weights in other files ({', '.join(outside)[:80]}), which are never read; "
            "export it as one file, or have `howgreen models wrap FILE` take them in"
        )
    metadata = {bytes(entry.key): bytes(entry.value) for entry in model.metadata}
    text = metadata.get(METADATA_KEY.encode())
    if text is None:
        raise ModelError(
            f"model {source}: no card in its metadata (key {METADATA_KEY!r}); a classifier of other makers gets one by "
            "`howgreen models wrap FILE`"
        )
    try:
        return text.decode()
    except UnicodeDecodeError as error:
        raise ModelError(f"model {source}: its card is not UTF-8 text; export the model anew") from error


def _parsed(content: bytes, source: str) -> Any:
    from google.protobuf.message import DecodeError

    try:
        model = _message("Model").FromString(content)
    except DecodeError as error:
        raise ModelError(f"model {source}: not an ONNX file{_looks_like(content)}") from error
    if not model.HasField("graph"):
        raise ModelError(f"model {source}: not an ONNX file{_looks_like(content)}")
    return model


def _looks_like(content: bytes) -> str:
    start = content[:200].lstrip().lower()
    if not start:
        return ": it is empty"
    if start.startswith((b"<!doctype", b"<html", b"<?xml", b"<head")):
        return ": it is a web page; give the address of the file itself"
    if start.startswith(b"version https://git-lfs"):
        return ": it is a pointer of Git LFS; fetch the file itself"
    return ", or one that was cut short; get it again, or export it anew"


def _tensors(message: Message) -> Iterator[Any]:
    """List all tensors, including those in attributes, sub-graphs and functions."""
    if message.DESCRIPTOR.name == "Tensor":
        yield message
        return
    for field, value in message.ListFields():
        if field.message_type is not None:
            for part in [value] if hasattr(value, "ListFields") else value:
                yield from _tensors(part)


def _location(tensor: Any) -> str:
    named = {bytes(entry.key): bytes(entry.value) for entry in tensor.external_data}
    return repr(named.get(b"location", b"?").decode(errors="replace"))


@cache
def _message(name: str) -> Any:
    """Make the class of a message of :data:`_LAYOUT`, in our own pool: the onnx package registers the real ones."""
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

    file = descriptor_pb2.FileDescriptorProto(name="howgreen/onnx.proto", package="howgreen.onnx", syntax="proto2")
    for message, fields in _LAYOUT.items():
        described = file.message_type.add(name=message)
        for field, (number, kind) in fields.items():
            _add_field(described, field, number, kind)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(f"howgreen.onnx.{name}"))


def _add_field(message: Any, name: str, number: int, kind: str) -> None:
    from google.protobuf.descriptor_pb2 import FieldDescriptorProto as Field

    plain = {"int32": Field.TYPE_INT32, "bytes": Field.TYPE_BYTES}
    field = message.field.add(name=name, number=number)
    field.label = Field.LABEL_REPEATED if kind.endswith("*") else Field.LABEL_OPTIONAL
    base = kind.rstrip("*")
    field.type = plain.get(base, Field.TYPE_MESSAGE)
    if base not in plain:
        field.type_name = f".howgreen.onnx.{base}"
