//! What follows what: RW014 to RW023.

use ropewalk_core::graph::diagnostic::Code;

use super::{Case, error, warning};

pub const CASES: &[Case] = &[
    error(
        Code::Unreachable,
        "name: a\nstart: [a]\nnodes:\n  a: {function: tidy}\n  b: {function: tidy}\n  §c:\n    function: tidy\nedges: [a -> b]\n",
        ("a -> b", "a -> b -> c"),
    ),
    error(
        Code::NoEnd,
        "name: a\nend: [b]\nnodes:\n  a: {function: tidy}\n  b: {function: tidy}\n  §c: {function: tidy}\nedges: ['a -> b, c']\n",
        ("end: [b]", "end: [b, c]"),
    ),
    error(
        Code::Start,
        "name: a\nnodes:\n  a: {function: tidy}\n  §b: {function: tidy}\n  c: {function: tidy}\nedges: ['a, b -> c']\n",
        ("name: a", "name: a\nstart: [a, b]"),
    ),
    error(
        Code::Start,
        "name: a\nstart: [a, §b]\nnodes:\n  a: {function: tidy}\n  b: {function: tidy}\nedges: [a -> b]\n",
        ("[a, b]", "[a]"),
    ),
    error(
        Code::UnboundedCycle,
        "name: a\nchannels: {n: {type: integer, default: 0}}\nnodes:\n  a: {function: tidy}\n  b: {set: {n: n + 1}}\nedges:\n  - a -> b\n  - §{from: b, to: a, when: n < 3}\n",
        ("n < 3", "n < 3, max_visits: 3"),
    ),
    error(
        Code::Loop,
        "name: a\nnodes:\n  a: {function: tidy}\n  b: {function: tidy}\nedges:\n  - §{from: a, to: b, max_visits: 2}\n",
        (", max_visits: 2", ""),
    ),
    error(
        Code::Loop,
        "name: a\nnodes:\n  a: {function: tidy}\n  b: {function: tidy}\n  c: {function: tidy}\nedges:\n  - a -> b -> c\n  - {from: b, to: a, max_visits: 2}\n  - §{from: c, to: b, max_visits: 2}\n",
        ("from: c, to: b", "from: c, to: a"),
    ),
    warning(
        Code::LoopExit,
        "name: a\nnodes:\n  a: {function: tidy}\n  b: {function: tidy}\n  log: {tool: kit__note}\nedges:\n  - a -> b\n  - §a -> log\n  - {from: b, to: a, max_visits: 3}\n",
        ("a -> log", "b -> log"),
    ),
    error(
        Code::NeverFires,
        "name: a\nchannels: {n: integer}\ninput: [n]\nnodes:\n  a: {function: tidy}\n  §b: {function: tidy}\nedges:\n  - {from: a, to: b, when: 1 > 2}\n",
        ("1 > 2", "n > 2"),
    ),
    error(
        Code::NeverFires,
        "name: a\nchannels: {kind: string}\ninput: [kind]\nnodes:\n  a: {function: tidy}\n  b: {function: tidy}\n  c: {function: tidy}\n  §d: {function: tidy, join: every}\nedges:\n  - {from: a, switch: kind, cases: {x: b}, else: c}\n  - b, c -> d\n",
        ("join: every", "join: all"),
    ),
    error(
        Code::Choice,
        "name: a\nnodes:\n  a: {function: tidy}\n  b: {function: tidy}\nedges:\n  - §{from: a, to: b, else: true}\n",
        (", else: true", ""),
    ),
    error(
        Code::Choice,
        "name: a\nchannels: {n: integer}\ninput: [n]\nnodes:\n  a: {function: tidy}\n  b: {function: tidy}\nedges:\n  - §{from: a, to: b, when: n > 1, on: error}\n",
        (", on: error", ""),
    ),
    warning(
        Code::Choice,
        "name: a\nchannels: {n: integer}\ninput: [n]\nnodes:\n  a: {function: tidy}\n  b: {function: tidy}\n  c: {function: tidy}\nedges:\n  - §{from: a, to: b, when: n > 1}\n  - {from: a, to: c, when: n < 1}\n",
        ("when: n < 1", "else: true"),
    ),
    error(
        Code::WriteRace,
        "name: a\nchannels: {text: string}\nnodes:\n  a: {function: tidy}\n  b: {function: tidy, writes: text}\n  §c: {function: tidy, writes: text}\nedges: ['a -> b, c']\n",
        ("{text: string}", "{text: {reducer: append}}"),
    ),
    error(
        Code::WriteRace,
        "name: a\nchannels: {text: string, n: integer}\ninput: [n]\nnodes:\n  a: {function: tidy}\n  b: {function: tidy, writes: text}\n  §c: {function: tidy, writes: text}\nedges:\n  - {from: a, to: b, when: n > 1}\n  - {from: a, to: c}\n",
        ("{from: a, to: c}", "{from: a, to: c, else: true}"),
    ),
    error(
        Code::ReadRace,
        "name: a\nchannels: {text: {type: string, default: ''}}\nnodes:\n  a: {function: tidy}\n  b: {function: tidy, writes: text}\n  §c: {model: {prompt: 'Shorten {{ text }}'}}\nedges: ['a -> b, c']\n",
        ("a -> b, c", "a -> b -> c"),
    ),
];
