"""LangGraph's side of `cargo bench --bench graph`: does what a line names, prints one number.

Seconds for times, bytes for sizes, kibibytes for `memory`. Nodes do nothing worth mentioning, so
that what is measured is the runtime. Durable cases write a checkpoint before each next step, to
SQLite in WAL mode with synchronous FULL, as the saver does by default.
"""

import operator
import os
import random
import shutil
import sys
import tempfile
import time
import uuid
from typing import Annotated, TypedDict

from langgraph.channels.delta import DeltaChannel
from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.graph import END, START, StateGraph
from langgraph.types import Send

CHAIN, LAYERS, WIDTH, FAN, STEPS = 100, 10, 10, 1000, 200
PIECES, PIECE = 1024, 1024
folder = tempfile.mkdtemp()


def config(thread=None):
    found = {"recursion_limit": 10_000}
    if thread:
        found["configurable"] = {"thread_id": thread}
    return found


def chain(saver=None):
    class State(TypedDict):
        n: int

    graph = StateGraph(State)
    previous = START
    for i in range(CHAIN):
        graph.add_node(f"n{i}", lambda state: {"n": state["n"] + 1})
        graph.add_edge(previous, f"n{i}")
        previous = f"n{i}"
    graph.add_edge(previous, END)
    return graph.compile(checkpointer=saver)


def lattice():
    class State(TypedDict):
        log: Annotated[list, operator.add]

    graph = StateGraph(State)
    before = []
    for layer in range(LAYERS):
        names = [f"n{layer}_{place}" for place in range(WIDTH)]
        for name in names:
            graph.add_node(name, lambda state, name=name: {"log": [name]})
            if before:
                graph.add_edge(before, name)
            else:
                graph.add_edge(START, name)
        before = names
    graph.add_edge(before, END)
    return graph.compile()


def fan(saver=None):
    class State(TypedDict):
        out: Annotated[list, operator.add]
        total: int

    graph = StateGraph(State)
    graph.add_node("work", lambda item: {"out": [item["i"] + 1]})
    graph.add_node("collect", lambda state: {"total": sum(state["out"])})
    graph.add_conditional_edges(
        START, lambda state: [Send("work", {"i": i}) for i in range(FAN)], ["work"]
    )
    graph.add_edge("work", "collect")
    graph.add_edge("collect", END)
    return graph.compile(checkpointer=saver)


class Crash(Exception):
    pass


def big(saver, delta=False, fail_at=None, first=None):
    def put(doc, update):
        if isinstance(update, list):
            return update
        doc = list(doc)
        doc[update["i"]] = update["v"]
        return doc

    def put_all(doc, updates):
        for update in updates:
            doc = put(doc, update)
        return doc

    kind = Annotated[list, DeltaChannel(put_all, list)] if delta else Annotated[list, put]
    State = TypedDict("State", {"n": int, "doc": kind})
    chance = random.Random(7)

    def step(state):
        if first is not None and not first:
            first.append(time.perf_counter())
        if state["n"] == fail_at:
            raise Crash
        piece = chance.randbytes(PIECE // 2).hex()
        return {"n": state["n"] + 1, "doc": {"i": state["n"] % PIECES, "v": piece}}

    graph = StateGraph(State)
    graph.add_node("step", step)
    graph.add_edge(START, "step")
    graph.add_conditional_edges(
        "step", lambda state: "step" if state["n"] < STEPS else END, ["step", END]
    )
    return graph.compile(checkpointer=saver)


def large_input():
    chance = random.Random(1)
    return {"n": 0, "doc": [chance.randbytes(PIECE // 2).hex() for _ in range(PIECES)]}


def bytes_of(path):
    return sum(os.path.getsize(path + end) for end in ("", "-wal", "-shm") if os.path.exists(path + end))


def timed(work):
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def stored(delta):
    path = os.path.join(folder, f"{uuid.uuid4()}.db")
    with SqliteSaver.from_conn_string(path) as saver:
        big(saver, delta).invoke(large_input(), config("t"), durability="sync")
    size = bytes_of(path)
    os.remove(path)
    return size


def resumed(delta):
    path = os.path.join(folder, f"{uuid.uuid4()}.db")
    with SqliteSaver.from_conn_string(path) as saver:
        try:
            app = big(saver, delta, fail_at=STEPS - 1)
            app.invoke(large_input(), config("t"), durability="sync")
        except Crash:
            pass
    first = []
    start = time.perf_counter()
    with SqliteSaver.from_conn_string(path) as saver:
        big(saver, delta, first=first).invoke(None, config("t"), durability="sync")
    os.remove(path)
    return first[0] - start


def memory():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))


plain, woven, spread = chain(), lattice(), fan()
files = {name: os.path.join(folder, f"{name}.db") for name in ("chain", "fan")}
savers = {name: SqliteSaver.from_conn_string(path) for name, path in files.items()}
kept = {name: saver.__enter__() for name, saver in savers.items()}
kept_chain, kept_fan = chain(kept["chain"]), fan(kept["fan"])


def durable(app, state):
    return timed(lambda: app.invoke(state, config(str(uuid.uuid4())), durability="sync"))


CASES = {
    "chain": lambda: timed(lambda: plain.invoke({"n": 0}, config())),
    "lattice": lambda: timed(lambda: woven.invoke({"log": []}, config())),
    "fan": lambda: timed(lambda: spread.invoke({"out": []}, config())),
    "chain_durable": lambda: durable(kept_chain, {"n": 0}),
    "fan_durable": lambda: durable(kept_fan, {"out": []}),
    "stored": lambda: stored(False),
    "stored_delta": lambda: stored(True),
    "resume": lambda: resumed(False),
    "resume_delta": lambda: resumed(True),
    "memory": memory,
}

try:
    if len(sys.argv) > 1:
        # One case alone, for its memory.
        CASES[sys.argv[1]]()
        print("ready", flush=True)
        print(memory(), flush=True)
    else:
        for name in ("chain", "lattice", "fan", "chain_durable", "fan_durable"):
            CASES[name]()
        print("ready", flush=True)
        for line in sys.stdin:
            print(CASES[line.strip()](), flush=True)
finally:
    shutil.rmtree(folder, ignore_errors=True)
