"""Greedy tokens and logits of llama.cpp, for one model and some prompts.

Reads one JSON object from standard input: {"model": path, "prompts": [[token, ...], ...],
"count": n}. Prints one JSON object: the tokens it takes after each prompt, and by how much its own
logits differ (root of the mean square) when it computes attention in another, equally right way.
"""

import json
import sys

import numpy as np
from llama_cpp import Llama, llama_get_logits_ith

asked = json.load(sys.stdin)
longest = max(len(prompt) for prompt in asked["prompts"]) + asked["count"] + 8


def model(**options):
    return Llama(
        model_path=asked["model"],
        n_ctx=longest,
        n_threads=2,
        n_threads_batch=2,
        verbose=False,
        **options,
    )


def logits(llama):
    row = llama_get_logits_ith(llama._ctx.ctx, -1)
    return np.ctypeslib.as_array(row, shape=(llama.n_vocab(),)).copy()


one, other = model(), model(flash_attn=True)
tokens, squares = [], []
for prompt in asked["prompts"]:
    one.reset()
    other.reset()
    one.eval(prompt)
    other.eval(prompt)
    taken = []
    for _ in range(asked["count"]):
        row, again = logits(one), logits(other)
        squares.append(float(np.mean((row - again) ** 2)))
        token = int(row.argmax())
        taken.append(token)
        if len(taken) < asked["count"]:
            one.eval([token])
            other.eval([token])
    tokens.append(taken)
json.dump({"tokens": tokens, "own_difference": float(np.sqrt(np.mean(squares)))}, sys.stdout)
