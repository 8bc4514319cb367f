"""llama.cpp's side of `cargo bench --bench local`: does what a line names, prints seconds.

Arguments: a GGUF file, threads, and the prompt's tokens as JSON. `prefill N` computes the prompt
and takes the first token; `decode N` writes N tokens after it. With a fourth argument it does
both once, and prints the most memory that the process held, in KiB.
"""

import json
import sys
import time

import numpy
from llama_cpp import Llama, llama_get_logits_ith

path, threads = sys.argv[1], int(sys.argv[2])
with open(sys.argv[3], encoding="utf-8") as file:
    prompt = json.load(file)
model = Llama(
    model_path=path,
    n_ctx=len(prompt) + 128,
    n_batch=512,
    n_threads=threads,
    n_threads_batch=threads,
    verbose=False,
)
first = 0


def likeliest():
    logits = llama_get_logits_ith(model._ctx.ctx, -1)
    return int(numpy.ctypeslib.as_array(logits, shape=(model.n_vocab(),)).argmax())


def prefill():
    global first
    model.reset()
    model.eval(prompt)
    first = likeliest()


def decode(count):
    # What was written before is dropped, so that every round is at the same place.
    model.n_tokens = len(prompt)
    token = first
    for _ in range(count):
        model.eval([token])
        token = likeliest()


if len(sys.argv) > 4:
    prefill()
    decode(int(sys.argv[4]))
    with open("/proc/self/status", encoding="utf-8") as status:
        print(next(line.split()[1] for line in status if line.startswith("VmHWM")))
    sys.exit()

prefill()
print("ready", flush=True)
for line in sys.stdin:
    what, count = line.split()
    start = time.perf_counter()
    if what == "prefill":
        prefill()
    else:
        decode(int(count))
    print(time.perf_counter() - start, flush=True)
