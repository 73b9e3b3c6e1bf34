"""The transformer that the product brings, as a model of llama.cpp's: the same weights, bit for bit but for their scales, which GGUF has in
half precision.

A matrix of it is bytes with one scale a row (see agents/assets/minilm-l6-int8/README.md), and Q8_0 is bytes with one scale for 32 of a row.
"""

import json
import os
import struct

from gguf_file import ARRAY, BOOL, F32, I32, STRING, TENSOR_F16, TENSOR_F32, TENSOR_Q8_0, U32, entry, write

BLOCK = 32
# The most tokens that a text may have: what comes longer is refused, where the product cuts it to 256.
CONTEXT = 512
NAMES = {
    "embeddings.word_embeddings.weight": "token_embd.weight",
    "embeddings.position_embeddings.weight": "position_embd.weight",
    "embeddings.token_type_embeddings.weight": "token_types.weight",
    "embeddings.LayerNorm": "token_embd_norm",
    "attention.self.query": "attn_q",
    "attention.self.key": "attn_k",
    "attention.self.value": "attn_v",
    "attention.output.dense": "attn_output",
    "attention.output.LayerNorm": "attn_output_norm",
    "intermediate.dense": "ffn_up",
    "output.dense": "ffn_down",
    "output.LayerNorm": "layer_output_norm",
}
SPECIAL = {"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"}


def name_of(name):
    """What llama.cpp calls a tensor."""
    if name in NAMES:
        return NAMES[name]
    part, kind = name.rsplit(".", 1)
    if not part.startswith("encoder.layer."):
        return f"{NAMES[part]}.{kind}"
    layer, part = part.removeprefix("encoder.layer.").split(".", 1)
    return f"blk.{layer}.{NAMES[part]}.{kind}"


def blocks(data, scales, width):
    """Rows of bytes as rows of Q8_0."""
    packed = bytearray()
    for row, scale in enumerate(scales):
        scale = struct.pack("<e", scale)
        for start in range(row * width, (row + 1) * width, BLOCK):
            packed += scale + data[start : start + BLOCK]
    return bytes(packed)


def write_model(path, folder):
    """Writes the model of `folder` as GGUF."""
    with open(os.path.join(folder, "config.json")) as file:
        config = json.load(file)
    with open(os.path.join(folder, "tokenizer.json")) as file:
        vocabulary = json.load(file)["model"]["vocab"]
    with open(os.path.join(folder, "model.safetensors"), "rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        index = json.loads(file.read(length))
        data = file.read()

    def bytes_of(name):
        start, end = index[name]["data_offsets"]
        return data[start:end]

    tensors = {}
    for name, found in index.items():
        if name == "__metadata__" or name.endswith(".scale"):
            continue
        kind, stored = found["dtype"], bytes_of(name)
        shape = tuple(reversed(found["shape"]))
        if kind == "I8":
            scales = struct.unpack(f"<{shape[1]}f", bytes_of(f"{name}.scale"))
            stored = blocks(stored, scales, shape[0])
        kind = {"I8": TENSOR_Q8_0, "F16": TENSOR_F16, "F32": TENSOR_F32}[kind]
        tensors[name_of(name)] = (shape, kind, stored)
    # A word that begins one has a mark in front, and one that goes on has none: just the other way round as in the vocabulary.
    tokens = sorted(vocabulary, key=vocabulary.get)
    marked = [
        token if token in SPECIAL else token.removeprefix("##") if token.startswith("##") else f"▁{token}" for token in tokens
    ]
    metadata = [
        entry("general.architecture", STRING, "bert"),
        entry("general.name", STRING, "minilm-l6-int8"),
        entry("bert.block_count", U32, config["num_hidden_layers"]),
        entry("bert.context_length", U32, config["max_position_embeddings"]),
        entry("bert.embedding_length", U32, config["hidden_size"]),
        entry("bert.feed_forward_length", U32, config["intermediate_size"]),
        entry("bert.attention.head_count", U32, config["num_attention_heads"]),
        entry("bert.attention.layer_norm_epsilon", F32, config["layer_norm_eps"]),
        entry("bert.attention.causal", BOOL, False),
        # The mean of all tokens.
        entry("bert.pooling_type", U32, 1),
        entry("tokenizer.ggml.model", STRING, "bert"),
        entry("tokenizer.ggml.pre", STRING, "jina-v2-en"),
        entry("tokenizer.ggml.token_type_count", U32, config["type_vocab_size"]),
        entry("tokenizer.ggml.tokens", ARRAY, (STRING, marked)),
        entry("tokenizer.ggml.token_type", ARRAY, (I32, [3 if token in SPECIAL else 1 for token in tokens])),
        entry("tokenizer.ggml.unknown_token_id", U32, vocabulary["[UNK]"]),
        entry("tokenizer.ggml.seperator_token_id", U32, vocabulary["[SEP]"]),
        entry("tokenizer.ggml.padding_token_id", U32, vocabulary["[PAD]"]),
        entry("tokenizer.ggml.cls_token_id", U32, vocabulary["[CLS]"]),
        entry("tokenizer.ggml.mask_token_id", U32, vocabulary["[MASK]"]),
        entry("tokenizer.ggml.bos_token_id", U32, vocabulary["[CLS]"]),
        entry("tokenizer.ggml.eos_token_id", U32, vocabulary["[SEP]"]),
    ]
    write(path, metadata, tensors)
