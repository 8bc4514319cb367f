"""A process that runs one node of a LangGraph graph with a checkpoint, and says when it ran."""

import os
import sys
import tempfile
import time
from typing import TypedDict

from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.graph import END, START, StateGraph


class State(TypedDict):
    n: int


def step(state):
    print("node", flush=True)
    return {"n": state["n"] + 1}


graph = StateGraph(State)
graph.add_node("step", step)
graph.add_edge(START, "step")
graph.add_edge("step", END)
with tempfile.TemporaryDirectory() as folder:
    with SqliteSaver.from_conn_string(os.path.join(folder, "c.db")) as saver:
        graph.compile(checkpointer=saver).invoke({"n": 0}, {"configurable": {"thread_id": "t"}})
