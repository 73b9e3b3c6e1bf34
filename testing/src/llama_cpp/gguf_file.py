"""Files of models as llama.cpp reads them: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md."""

import struct

# Kinds of values.
U32, I32, F32, BOOL, STRING, ARRAY = 4, 5, 6, 7, 8, 9
# Kinds of tensors. Of the last, 32 numbers of a row are a half-precision scale and 32 bytes.
TENSOR_F32, TENSOR_F16, TENSOR_Q8_0 = 0, 1, 8
ALIGNMENT = 32


def text(value):
    """A string: its length in bytes, then these."""
    encoded = value.encode()
    return struct.pack("<Q", len(encoded)) + encoded


def scalar(kind, value):
    if kind == STRING:
        return text(value)
    return struct.pack({U32: "<I", I32: "<i", F32: "<f", BOOL: "<?"}[kind], value)


def entry(key, kind, value):
    """One entry of the metadata; an array is a pair of the kind of its items and these."""
    if kind != ARRAY:
        return text(key) + struct.pack("<I", kind) + scalar(kind, value)
    of, items = value
    head = text(key) + struct.pack("<IIQ", ARRAY, of, len(items))
    return head + b"".join(scalar(of, item) for item in items)


def padded(data):
    return data + b"\0" * (-len(data) % ALIGNMENT)


def write(path, metadata, tensors):
    """Writes entries and tensors. A tensor has a name, a shape that begins with the length of a row, a kind, and its bytes."""
    head = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(metadata)) + b"".join(metadata)
    body = bytearray()
    for name, (shape, kind, data) in tensors.items():
        head += text(name) + struct.pack("<I", len(shape)) + struct.pack(f"<{len(shape)}Q", *shape)
        head += struct.pack("<IQ", kind, len(body))
        body += padded(data)
    with open(path, "wb") as file:
        file.write(padded(head) + body)
