//! The text, and the names in it: RW001 to RW013.

use ropewalk_core::graph::diagnostic::Code;

use super::{Case, error};

pub const CASES: &[Case] = &[
    error(
        Code::Syntax,
        "name: a\nnodes:\n  a: {function: tidy\nedges§: []\n",
        ("tidy", "tidy}"),
    ),
    error(
        Code::Syntax,
        "name: a\nnodes:\n  a: &a {function: tidy}\n  b: §*a\nstart: [a, b]\n",
        ("*a", "{function: tidy}"),
    ),
    error(
        Code::Syntax,
        "name: a\nnodes:\n  a:\n    function: §!text tidy\n",
        ("!text ", ""),
    ),
    error(
        Code::Syntax,
        "name: a\nnodes:\n  a: §!thing {function: tidy}\n",
        ("!thing ", ""),
    ),
    error(
        Code::Syntax,
        "name: a\nnodes:\n  a: {function: tidy}\n§---\nname: b\n",
        ("---\nname: b\n", ""),
    ),
    error(
        Code::Syntax,
        "name: a\nnodes:\n  a: {function: §'tidy}\n",
        ("'tidy}", "'tidy'}"),
    ),
    error(
        Code::Form,
        "name: a\nnodes:\n  a:\n    §agnet:\n      name: writer\n      prompt: Hello\n",
        ("agnet", "agent"),
    ),
    error(
        Code::Form,
        "name: a\nnodes:\n  a:\n    §agent:\n      name: writer\n",
        ("name: writer\n", "name: writer\n      prompt: Hello\n"),
    ),
    error(
        Code::Form,
        "name: a\nnodes:\n  a: {function: tidy}\n  b: {function: tidy, join: §some}\nedges: [a -> b]\n",
        ("some", "any"),
    ),
    error(
        Code::Form,
        "name: a\nnodes:\n  a: {function: tidy}\n  b: {function: tidy}\nedges:\n  - §a, b\n",
        ("a, b", "a -> b"),
    ),
    error(
        Code::Form,
        "name: a\nnodes:\n  a:\n    function: tidy\n    timeout: §soon\n",
        ("soon", "60"),
    ),
    error(
        Code::Form,
        "name: a\nnodes: §{}\n",
        ("{}", "{a: {function: tidy}}"),
    ),
    error(
        Code::Form,
        "name: a\nnodes:\n  a: {function: tidy}\n  b: {function: tidy}\nedges:\n  - §{from: a}\n",
        ("from: a", "from: a, to: b"),
    ),
    error(
        Code::Form,
        "§nodes:\n  a: {function: tidy}\n",
        ("nodes", "name: a\nnodes"),
    ),
    error(
        Code::Duplicate,
        "name: a\nnodes:\n  a: {function: tidy}\n  §a: {function: tidy}\n",
        ("  a: {function: tidy}\n", ""),
    ),
    error(
        Code::Duplicate,
        "name: a\nnodes:\n  a: {function: tidy}\n  b: {function: tidy}\nedges:\n  - a -> b\n  - §{from: a, to: b}\n",
        ("  - a -> b\n", ""),
    ),
    error(
        Code::Name,
        "name: a\nchannels:\n  §result: string\nnodes:\n  a: {function: tidy}\n",
        ("result", "results"),
    ),
    error(
        Code::Name,
        "name: a\nchannels:\n  §two-words:\n    type: string\nnodes:\n  a: {function: tidy}\n",
        ("two-words", "two_words"),
    ),
    error(
        Code::Name,
        "name: a\nnodes:\n  §first.step:\n    function: tidy\n",
        ("first.step", "first-step"),
    ),
    error(
        Code::Name,
        "name: §''\nnodes:\n  a: {function: tidy}\n",
        ("''", "'a'"),
    ),
    error(
        Code::Kind,
        "name: a\nnodes:\n  §a:\n    description: thinks\n",
        ("description: thinks", "function: tidy"),
    ),
    error(
        Code::Kind,
        "name: a\nnodes:\n  §a: {function: tidy, tool: kit__note}\n",
        (", tool: kit__note", ""),
    ),
    error(
        Code::UnknownNode,
        "name: a\nnodes:\n  a: {function: tidy}\n  b: {function: tidy}\nedges:\n  - §a -> bb\n",
        ("-> bb", "-> b"),
    ),
    error(
        Code::UnknownNode,
        "name: a\nnodes:\n  a: {function: tidy}\n  b: {function: tidy}\nedges:\n  - {from: a, to: [b, §c]}\n",
        ("[b, c]", "[b]"),
    ),
    error(
        Code::UnknownNode,
        "name: a\nchannels: {n: integer}\ninput: [n]\nnodes:\n  a: {function: tidy}\n  b: {function: tidy}\nedges:\n  - from: a\n    switch: n\n    cases: {1: b, 2: §c}\n    else: b\n",
        ("2: c", "2: b"),
    ),
    error(
        Code::UnknownNode,
        "name: a\nnodes:\n  a: {function: tidy}\nend: [§b]\n",
        ("[b]", "[a]"),
    ),
    error(
        Code::UnknownChannel,
        "name: a\nchannels: {question: string}\ninput: [§query]\nnodes:\n  a: {function: tidy}\n",
        ("[query]", "[question]"),
    ),
    error(
        Code::UnknownChannel,
        "name: a\nchannels: {topic: string, t: string}\ninput: [t, topic]\nnodes:\n  a:\n    graph:\n      name: inner\n      inputs: {topic: topic, deep: §t}\n",
        (", deep: t", ""),
    ),
    error(
        Code::UnknownAgent,
        "name: a\nnodes:\n  a:\n    agent: {name: §writter, prompt: Hello}\n",
        ("writter", "writer"),
    ),
    error(
        Code::UnknownAgent,
        "name: a\nnodes:\n  a:\n    agent: {name: §unreadable, prompt: Hello}\n",
        ("unreadable", "writer"),
    ),
    error(
        Code::UnknownTool,
        "name: a\nnodes:\n  a: {tool: §kit__notes}\n",
        ("kit__notes", "kit__note"),
    ),
    error(
        Code::UnknownTool,
        "name: a\nnodes:\n  a:\n    tool:\n      name: §kit__notes\n      arguments: {text: Hello}\n",
        ("kit__notes", "kit__note"),
    ),
    error(
        Code::UnknownPrompt,
        "name: a\nchannels: {question: string}\ninput: [question]\nnodes:\n  a: {model: {prompt: {file: §asks}}}\n",
        ("asks", "ask"),
    ),
    error(
        Code::UnknownGraph,
        "name: a\nchannels: {topic: string}\ninput: [topic]\nnodes:\n  a: {graph: {name: §iner, inputs: {topic: topic}}}\n",
        ("iner", "inner"),
    ),
    error(
        Code::UnknownGraph,
        "name: a\nchannels: {topic: string}\ninput: [topic]\nnodes:\n  a: {graph: {name: §locked, inputs: {topic: topic}}}\n",
        ("locked", "inner"),
    ),
    error(
        Code::UnknownFunction,
        "name: a\nnodes:\n  a: {function: §tody}\n",
        ("tody", "tidy"),
    ),
    error(
        Code::UnknownFunction,
        "name: a\nchannels:\n  text: {reducer: {function: §shortest}}\nnodes:\n  a: {function: tidy, writes: text}\n",
        ("shortest", "longest"),
    ),
    error(
        Code::UnknownEngine,
        "name: a\nnodes:\n  a:\n    agent: {name: writer, prompt: Hello, engine: §smal}\n",
        ("smal}", "small}"),
    ),
    error(
        Code::UnknownEngine,
        "name: a\nnodes:\n  a:\n    model: {prompt: Hello, engine: §large}\n",
        ("large", "small"),
    ),
    error(
        Code::Recursion,
        "name: a\nchannels: {topic: string}\ninput: [topic]\nnodes:\n  a: {graph: {name: §a, inputs: {topic: topic}}}\n",
        ("name: a, inputs", "name: inner, inputs"),
    ),
];
