"""llama.cpp's own HTTP server, with a model that is made when it starts.

Called with a folder, a port, and either `chat`, or `embeddings` and the folder of an encoder.
"""

import os
import sys
import threading

import drawn_by_lot
import encoder
from xllamacpp import CommonParams, Server

SLOTS = 4

folder, port, what, *rest = sys.argv[1:]
path = os.path.join(folder, "model.gguf")
params = CommonParams()
params.model.path = path
params.port = int(port)
params.n_parallel = SLOTS
params.cpuparams.n_threads = 1
params.warmup = False
params.endpoint_slots = True
if what == "chat":
    drawn_by_lot.write_model(path)
    params.n_ctx = drawn_by_lot.CONTEXT * SLOTS
else:
    encoder.write_model(path, *rest)
    params.embedding = True
    params.n_ctx = params.n_batch = params.n_ubatch = encoder.CONTEXT * SLOTS
server = Server(params)
print("listening on", server.listening_address, flush=True)
threading.Event().wait()
