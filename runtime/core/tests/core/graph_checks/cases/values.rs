//! What is read and written, and every value: RW024 to RW034.

use ropewalk_core::graph::diagnostic::Code;

use super::{Case, error, warning};

pub const CASES: &[Case] = &[
    error(
        Code::UndeclaredRead,
        "name: a\nchannels: {n: integer, m: integer}\ninput: [n, m]\nnodes:\n  a:\n    model: {prompt: '{{ n }} and {{ m }}'}\n    reads: §[n]\n",
        ("reads: [n]", "reads: [n, m]"),
    ),
    error(
        Code::UndeclaredWrite,
        "name: a\nchannels: {answer: string}\nnodes:\n  a: {model: {prompt: Hello}, writes: §anser}\n",
        ("anser", "answer"),
    ),
    error(
        Code::UndeclaredWrite,
        "name: a\nchannels: {n: integer}\nnodes:\n  a:\n    set:\n      n: '1'\n      m: §'2'\n",
        ("      m: '2'\n", ""),
    ),
    error(
        Code::UndeclaredWrite,
        "name: a\nchannels: {total: integer}\nnodes:\n  a:\n    tool: {name: kit__search, arguments: {query: rope}}\n    writes: [total, §hits]\n",
        (", hits]", "]"),
    ),
    error(
        Code::Type,
        "name: a\nchannels: {n: integer}\nnodes:\n  a: {model: {prompt: Hello}, writes: §n}\n",
        ("n: integer", "n: string"),
    ),
    error(
        Code::Type,
        "name: a\nchannels:\n  n: {type: integer, default: §two}\nnodes:\n  a: {function: tidy}\n",
        ("two", "2"),
    ),
    error(
        Code::Type,
        "name: a\nchannels:\n  n: {type: string, reducer: §sum}\nnodes:\n  a: {function: tidy}\n",
        ("type: string, ", ""),
    ),
    error(
        Code::Type,
        "name: a\nchannels: {n: integer}\nnodes:\n  a: {set: {n: §\"'two'\"}}\n",
        ("\"'two'\"", "'2'"),
    ),
    error(
        Code::Type,
        "name: a\nchannels: {total: integer, pages: integer}\nnodes:\n  a:\n    tool: {name: kit__search, arguments: {query: rope}}\n    writes: [total, §pages]\n",
        (", pages]", "]"),
    ),
    error(
        Code::Type,
        "name: a\nchannels: {hits: string}\nnodes:\n  a:\n    tool: {name: kit__search, arguments: {query: rope}}\n    writes: {hits: §result.hits}\n",
        ("hits: string", "hits: array"),
    ),
    error(
        Code::Type,
        "name: a\nchannels: {items: string}\ninput: [items]\nnodes:\n  a: {model: {prompt: {file: §list}}}\n",
        ("items: string", "items: array"),
    ),
    error(
        Code::UnknownName,
        "name: a\nchannels: {things: array}\ninput: [things]\nnodes:\n  a: {model: {prompt: §{file: list}}}\n",
        (
            "{things: array}\ninput: [things]",
            "{items: array}\ninput: [items]",
        ),
    ),
    error(
        Code::Expression,
        "name: a\nchannels: {n: integer}\nnodes:\n  a: {set: {n: §1 +}}\n",
        ("1 +", "1 + 1"),
    ),
    error(
        Code::Expression,
        "name: a\nchannels: {n: integer}\ninput: [n]\nnodes:\n  a:\n    model:\n      prompt: §'Say {{ n }'\n",
        ("{{ n }'", "{{ n }}'"),
    ),
    error(
        Code::UnknownName,
        "name: a\nchannels: {n: integer}\ninput: [n]\nnodes:\n  a:\n    model:\n      prompt: §'Say {{ m }}'\n",
        ("{{ m }}", "{{ n }}"),
    ),
    error(
        Code::UnknownName,
        "name: a\nchannels: {n: integer}\ninput: [n]\nnodes:\n  a: {function: tidy}\n  b: {function: tidy}\nedges:\n  - {from: a, to: b, when: §result > 1}\n",
        ("result >", "n >"),
    ),
    error(
        Code::MapOver,
        "name: a\nchannels: {items: string}\ninput: [items]\nnodes:\n  a:\n    map:\n      over: §items\n      each: {tool: {name: kit__note, arguments: {text: '{{ item }}'}}}\n",
        ("items: string", "items: array"),
    ),
    error(
        Code::MapOver,
        "name: a\nnodes:\n  a: {map: {over: §'3', each: {tool: kit__note}}}\n",
        ("over: '3'", "over: '[1, 2, 3]'"),
    ),
    error(
        Code::Bound,
        "name: a\nnodes:\n  a: {function: tidy, timeout: §-1}\n",
        ("-1", "1"),
    ),
    error(
        Code::Bound,
        "name: a\nnodes:\n  a: {function: tidy, timeout: §1e300}\n",
        ("1e300", "1e3"),
    ),
    error(
        Code::Bound,
        "name: a\nnodes:\n  a:\n    function: tidy\n    retry: {attempts: §0}\n",
        ("attempts: 0", "attempts: 1"),
    ),
    error(
        Code::Bound,
        "name: a\nnodes:\n  a:\n    map: {over: '[1]', each: {tool: kit__note}, min_success: §80}\n",
        ("80", "0.8"),
    ),
    error(
        Code::Bound,
        "name: a\nnodes:\n  a: {function: tidy}\nbudget: {cost: §-0.5}\n",
        ("-0.5", "0.5"),
    ),
    error(
        Code::Bound,
        "name: a\nnodes:\n  a: {function: tidy}\n  b: {function: tidy}\nedges:\n  - a -> b\n  - {from: b, to: a, max_visits: §0}\n",
        ("max_visits: 0", "max_visits: 2"),
    ),
    error(
        Code::NeverWritten,
        "name: a\nchannels: {text: string, short: string}\nnodes:\n  §a:\n    model: {prompt: 'Shorten {{ text }}'}\n    writes: short\n",
        ("nodes", "input: [text]\nnodes"),
    ),
    error(
        Code::Arguments,
        "name: a\nnodes:\n  a:\n    tool: §{name: kit__search, arguments: {limit: 3}}\n",
        ("limit: 3", "query: rope, limit: 3"),
    ),
    error(
        Code::Arguments,
        "name: a\nnodes:\n  a:\n    tool: {name: kit__search, arguments: {query: rope, limit: §many}}\n",
        ("many", "3"),
    ),
    error(
        Code::Arguments,
        "name: a\nnodes:\n  a:\n    tool: {name: kit__search, arguments: {query: rope, top: §3}}\n",
        ("top: 3", "limit: 3"),
    ),
    error(
        Code::Arguments,
        "name: a\nchannels: {topic: string}\ninput: [topic]\nnodes:\n  a:\n    graph: §{name: inner, inputs: {depth: '2'}}\n",
        ("depth: '2'", "topic: topic"),
    ),
    error(
        Code::Schema,
        "name: a\nnodes:\n  a:\n    model:\n      prompt: Hello\n      schema: §{type: thing}\n",
        ("thing", "object"),
    ),
    error(
        Code::Schema,
        "name: a\nchannels:\n  n:\n    §schema:\n      type: whole\nnodes:\n  a: {function: tidy}\n",
        ("whole", "integer"),
    ),
    error(
        Code::NoEffect,
        "name: a\nchannels: {n: integer}\nnodes:\n  a: {set: {n: '1'}, writes: §n}\n",
        (", writes: n", ""),
    ),
    error(
        Code::NoEffect,
        "name: a\nchannels: {n: array}\nnodes:\n  a:\n    map: {over: '[1]', each: {tool: kit__note, writes: §n}}\n",
        (
            "tool: kit__note, writes: n}}",
            "tool: kit__note}}\n    writes: n",
        ),
    ),
    warning(
        Code::NoEffect,
        "name: a\nchannels: {n: integer, m: integer}\ninput: [n, m]\nnodes:\n  a:\n    model: {prompt: 'Say {{ n }}'}\n    reads: [n, §m]\n",
        ("reads: [n, m]", "reads: [n]"),
    ),
];
