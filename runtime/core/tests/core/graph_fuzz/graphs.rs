//! Good graphs, with every kind of node and every kind of edge.

/// Each compiles without a word.
pub const GRAPHS: [&str; 5] = [
    // Every kind of node, most of them in full.
    r#"name: everything
description: Every kind of node
channels:
  question: string
  topic: {type: string, default: ropes}
  hits: {type: array, description: What was found}
  total: integer
  notes: {reducer: append}
  seen: {reducer: union}
  facts: {reducer: merge}
  cost: {type: number, reducer: sum, default: 0}
  best: {reducer: max}
  longest: {reducer: {function: longest}}
  answer:
    type: object
    schema:
      type: object
      properties: {text: {type: string}, sure: {type: boolean}}
      required: [text]
  approved: {type: boolean, default: false}
  summary: string
input: [question, topic]
output: [answer, summary]
end: [publish, apologise]
nodes:
  search:
    description: Looks it up
    tool:
      name: kit__search
      arguments: {query: '{{ question }}', limit: 5}
    writes: [hits, total]
    retry: {attempts: 4, backoff: 0.5, factor: 2, max_backoff: 10, jitter: 0.2, on: [timeout, tool]}
    timeout: 30
    cache: {ttl: 3600}
    on_error: {do: continue, writes: {notes: error.message}}
  read:
    map:
      over: hits
      each:
        model:
          prompt: |
            Summarise item {{ index }} for "{{ question }}":
            {{ item }}
          system: Be brief.
          schema: {type: object, properties: {text: {type: string}}}
          sampling: {temperature: 0.2, max_tokens: 200}
        timeout: 20
      concurrency: 4
      min_success: 0.5
      deadline: 120
      hedge: {factor: 2.5, after: 3}
    writes:
      notes: result
      cost: failed|length * 0.1
  write:
    agent:
      name: writer
      prompt: 'Answer {{ question }} from {{ notes|join(", ") }}'
      engine: local
    writes: {longest: result}
    budget: {tokens: 20000, model_calls: 6, wall_time: 60, on_exceed: degrade}
  inner:
    graph: {name: inner, inputs: {topic: topic, depth: '2'}}
    writes: [summary]
  tidy:
    function: {name: tidy, arguments: {text: '{{ longest }}', keep: [1, 'two', {three: '{{ topic }}'}]}}
    writes: {answer: result, facts: "{'tidy': true}", best: total}
  ask:
    human:
      ask: {file: ask}
      propose: answer
      schema: {type: boolean}
      who: the editor
    writes: approved
    on_error: skip
  publish:
    set: {seen: "[topic]"}
    join: any
  apologise: {set: {notes: "'Sorry: ' ~ question"}}
edges:
  - search -> read -> write, inner -> tidy -> ask
  - {from: ask, to: publish, when: approved}
  - from: ask
    to: apologise
    else: true
  - {from: ask, to: apologise, on: error}
budget: {tokens: 100000, cost: 1.5, tool_calls: 20, depth: 3, on_exceed: ask}
"#,
    // Two loops, one within the other, left in several ways.
    r#"name: loops
channels:
  n: {type: integer, default: 0}
  m: {type: integer, default: 0}
  log: {reducer: append}
  verdict: string
nodes:
  plan: {set: {n: n + 1, m: '0'}}
  step: {set: {m: m + 1, log: "{'at': [n, m]}"}}
  test: {model: {prompt: 'Is {{ m }} enough?'}, writes: verdict}
  report: {function: tidy, reads: [log, verdict]}
edges:
  - plan -> step -> test
  - {from: test, to: step, when: "visits < 3 and verdict != 'yes'", max_visits: 4}
  - {from: test, to: plan, when: n < 2, max_visits: 3}
  - test -> report
output: [log, verdict]
"#,
    // A choice of many, and its ends joined.
    r#"name: router
channels: {question: string, kind: {type: string, default: ''}, answer: string}
input: [question]
output: [answer]
start: [route]
nodes:
  route: {model: {prompt: "Which kind is {{ question }}?"}, writes: kind}
  bill: {agent: {name: writer, prompt: 'A bill: {{ question }}'}, writes: answer}
  case: {agent: {name: writer, prompt: 'A case: {{ question }}'}, writes: answer}
  other: {human: {ask: 'What is {{ question }}?'}, writes: answer}
  done: {tool: {name: kit__note, arguments: {text: "{{ answer }}"}}, join: all}
edges:
  - from: route
    switch: kind|lower
    cases: {bill: bill, case: case}
    else: other
  - bill, case, other -> done
"#,
    // The other way to write YAML.
    r#"{"name": "flow style", "channels": {"a": "integer", "b": {"type": "array"}},
 "input": ["a", "b"], "nodes": {"x": {"map": {"over": "b", "each": {"graph": {"name": "inner",
 "inputs": {"topic": "item|string"}}}}}, "y": {"function": "tidy", "join": "every"},
 "z": {"set": {}}}, "edges": [{"from": ["x", "z"], "to": "y"}], "start": ["x", "z"]}
"#,
    // Odd but good.
    "# Ünïcödé — 图 🪢\r\nname: 'Knoten: 🪢'\r\nchannels:\r\n  text: {default: \"a\\tb\\u00e9\\n\"}\r\n\
     nodes:\r\n  größe-1:\r\n    model:\r\n      prompt: >-\r\n        {{ text|upper }}\r\n\r\n        \
     {% for i in range(3) %}{{ i }}{% if not loop.last %},{% endif %}{% endfor %}\r\n    \
     writes: text\r\n  图: {function: tidy, reads: [text]}\r\nedges:\r\n- größe-1 -> 图\r\n",
];
