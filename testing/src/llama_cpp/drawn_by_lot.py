"""A language model that is made here and now.

It has one layer and a vocabulary of the 256 bytes and a few words, and its weights are drawn by lot, so that it says nonsense, though always
the same to the same prompt at temperature 0. What counts is who speaks: the real server, its real stream, its grammars and its counts of
tokens.
"""

import random
import struct

from gguf_file import ARRAY, F32, I32, STRING, TENSOR_F32, U32, entry, write

WIDTH, HEADS, FEED_FORWARD = 32, 4, 64
# So many tokens fit that an answer takes seconds where nothing stops it.
CONTEXT = 32_768
BEGIN, END, UNKNOWN = 1, 2, 0
WORDS = ["▁", "▁the", "▁key", "▁source", "▁and", "▁to", ".", ",", "[", "]", "1"]


def write_model(path):
    """Writes it as GGUF."""
    tokens = ["<unk>", "<s>", "</s>"] + [f"<0x{byte:02X}>" for byte in range(256)] + WORDS
    # Unknown, control, bytes, words.
    kinds = [2, 3, 3] + [6] * 256 + [1] * len(WORDS)
    draw = random.Random(7)

    def drawn(*shape):
        size = 1
        for length in shape:
            size *= length
        return shape, [draw.gauss(0, 0.3) for _ in range(size)]

    def set_row(name, row, values):
        _, weights = tensors[name]
        weights[row * len(values) : (row + 1) * len(values)] = values

    ones = ((WIDTH,), [1.0] * WIDTH)
    tensors = {
        "token_embd.weight": drawn(WIDTH, len(tokens)),
        "output_norm.weight": ones,
        "output.weight": drawn(WIDTH, len(tokens)),
        "blk.0.attn_norm.weight": ones,
        "blk.0.ffn_norm.weight": ones,
        "blk.0.ffn_gate.weight": drawn(WIDTH, FEED_FORWARD),
        "blk.0.ffn_up.weight": drawn(WIDTH, FEED_FORWARD),
        "blk.0.ffn_down.weight": drawn(FEED_FORWARD, WIDTH),
    }
    for name in ["attn_q", "attn_k", "attn_v", "attn_output"]:
        tensors[f"blk.0.{name}.weight"] = drawn(WIDTH, WIDTH)
    # The first place of the state is the same whatever was read, and speaks against the end alone: an answer ends where it has all the tokens
    # that it may have, or where a grammar leaves nothing else to say.
    for token in range(len(tokens)):
        tensors["token_embd.weight"][1][token * WIDTH] = 4.0
    set_row("blk.0.attn_output.weight", 0, [0.0] * WIDTH)
    set_row("blk.0.ffn_down.weight", 0, [0.0] * FEED_FORWARD)
    set_row("output.weight", END, [-50.0] + [0.0] * (WIDTH - 1))
    metadata = [
        entry("general.architecture", STRING, "llama"),
        entry("general.name", STRING, "drawn by lot"),
        entry("llama.block_count", U32, 1),
        entry("llama.context_length", U32, CONTEXT),
        entry("llama.embedding_length", U32, WIDTH),
        entry("llama.feed_forward_length", U32, FEED_FORWARD),
        entry("llama.attention.head_count", U32, HEADS),
        entry("llama.attention.head_count_kv", U32, HEADS),
        entry("llama.attention.layer_norm_rms_epsilon", F32, 1e-5),
        entry("llama.rope.dimension_count", U32, WIDTH // HEADS),
        entry("tokenizer.ggml.model", STRING, "llama"),
        entry("tokenizer.ggml.tokens", ARRAY, (STRING, tokens)),
        entry("tokenizer.ggml.scores", ARRAY, (F32, [0.0] * len(tokens))),
        entry("tokenizer.ggml.token_type", ARRAY, (I32, kinds)),
        entry("tokenizer.ggml.bos_token_id", U32, BEGIN),
        entry("tokenizer.ggml.eos_token_id", U32, END),
        entry("tokenizer.ggml.unknown_token_id", U32, UNKNOWN),
        entry(
            "tokenizer.chat_template",
            STRING,
            "{% for message in messages %}{{ message['role'] }}: {{ message['content'] }}\n{% endfor %}assistant:",
        ),
    ]
    stored = {
        name: (shape, TENSOR_F32, struct.pack(f"<{len(values)}f", *values)) for name, (shape, values) in tensors.items()
    }
    write(path, metadata, stored)
