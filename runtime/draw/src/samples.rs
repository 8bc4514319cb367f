//! Graphs for tests.

use std::sync::Arc;

use ropewalk_core::definition::{AgentDefinition, AgentSettings};
use ropewalk_core::graph::builder::{GraphBuilder, set};
use ropewalk_core::graph::definition::GraphDefinition;
use ropewalk_core::graph::diagnostic::Diagnostic;
use ropewalk_core::graph::ir::Graph;
use ropewalk_core::graph::library::{Empty, Found, Library};
use ropewalk_core::graph::source::Source;
use ropewalk_core::graph::{compile, compile_text, yaml};

use crate::overlay::{EdgeKey, NodeRun, NodeState, Overlay};
use crate::scene::{Kind, Line, Scene, Step};

/// Branches, a join and a loop, in ten nodes; an edge for an error and a switch.
pub(crate) const REVIEW: &str = r#"
name: review
channels:
  question: string
  topic: string
  notes: array
  facts: string
  answer: string
  text: string
  verdict: any
  problem: string
input: [question]
output: [text]
nodes:
  classify:
    description: Finds out what kind of question it is
    model: {prompt: "{{ question }}", engine: small}
    writes: topic
  search: {tool: {name: vector__search, arguments: {q: "{{ question }}"}}, writes: notes}
  research: {agent: {name: researcher, prompt: "{{ question }}"}, writes: facts}
  small_talk: {model: {prompt: "{{ question }}"}, writes: answer}
  give_up: {set: {problem: "'nothing found'"}}
  write: {agent: {name: writer, prompt: "{{ notes }} {{ facts }} {{ topic }}"}, writes: text, join: all}
  judge: {model: {prompt: "{{ text }}"}, writes: verdict}
  approve: {human: {ask: "Is {{ text }} right?", who: editor}, writes: verdict}
  publish: {function: {name: publish_the_article_on_the_site}, reads: [text, verdict]}
  log: {set: {problem: "'done'"}}
edges:
  - {from: classify, switch: topic, cases: {fact: search, 'opinion & "taste"': small_talk}, else: research}
  - search -> write
  - research -> write
  - {from: search, to: give_up, on: error}
  - write -> judge
  - {from: judge, to: write, when: verdict.score < 0.8 and visits < 5, max_visits: 3}
  - judge -> approve
  - approve -> publish
  - small_talk -> log
  - publish -> log
  - give_up -> log
"#;

/// One to many to one.
pub(crate) const FAN: &str = "
name: fan
channels:
  a: {reducer: append}
nodes:
  plan: {function: plan}
  left: {function: work, writes: a}
  middle: {function: work, writes: a}
  right: {function: work, writes: a}
  far_right: {function: work, writes: a}
  one_more: {function: work, writes: a}
  join: {function: {name: join}, reads: [a]}
edges:
  - plan -> left, middle, right, far_right, one_more -> join
";

/// Maps and graphs within a graph.
pub(crate) const NESTED: &str = "
name: report
channels:
  topic: string
  sections: any
  drafts: array
  images: array
  text: string
input: [topic]
output: [text]
nodes:
  outline: {agent: {name: planner, prompt: '{{ topic }}'}, writes: sections}
  drafts:
    map: {over: sections, each: {graph: {name: section, inputs: {title: item}}}}
    writes: drafts
  pictures:
    map: {over: sections, each: {tool: {name: images__draw, arguments: {of: '{{ item }}'}}}}
    writes: images
  check: {graph: {name: section, inputs: {title: topic}}, writes: [text]}
  again: {function: polish, writes: text}
edges:
  - outline -> drafts, pictures -> check -> again
  - {from: again, to: again, when: visits < 2, max_visits: 2}
";

const SECTION: &str = "
name: section
channels: {title: string, text: string, good: any}
input: [title]
output: [text]
nodes:
  draft: {agent: {name: writer, prompt: '{{ title }}'}, writes: text}
  review: {model: {prompt: '{{ text }}'}, writes: good}
edges:
  - draft -> review
  - {from: review, to: draft, when: not good, max_visits: 2}
";

/// Knows every agent, and the graph `section`.
struct Shelf;

impl Library for Shelf {
    fn agent(&self, name: &str) -> Found<Arc<AgentDefinition>> {
        Found::Yes(Arc::new(AgentDefinition {
            settings: AgentSettings {
                name: name.to_owned(),
                description: String::new(),
                tools: Vec::new(),
                limits: Default::default(),
                sampling: Default::default(),
                engine: None,
                tool_search: Default::default(),
                context: Default::default(),
            },
            prompt: String::new(),
        }))
    }

    fn prompt(&self, _: &str) -> Found<ropewalk_core::prompt::PromptDefinition> {
        Found::No(Vec::new())
    }

    fn graph(&self, name: &str) -> Found<Result<(GraphDefinition, Source), Vec<Diagnostic>>> {
        match name {
            "section" => Found::Yes(yaml::parse("section.yaml", SECTION)),
            _ => Found::No(vec!["section".to_owned()]),
        }
    }

    fn tool(&self, name: &str) -> Found<ropewalk_core::tool::ToolSpec> {
        Empty.tool(name)
    }

    fn function(&self, name: &str) -> Found<()> {
        Empty.function(name)
    }

    fn reducer(&self, name: &str) -> Found<()> {
        Empty.reducer(name)
    }
}

pub(crate) fn graph(text: &str) -> Arc<Graph> {
    compile_text("sample.yaml", text, &Shelf)
        .into_result()
        .unwrap_or_else(|problems| panic!("{problems:#?}"))
}

/// A graph of so many nodes: ways that part and meet, long edges, and a loop every ten nodes.
pub(crate) fn large(nodes: usize) -> Arc<Graph> {
    let name = |at: usize| format!("step_{at}");
    let mut builder = GraphBuilder::new("large").input("n", "number");
    for at in 0..nodes {
        builder = builder.channel(&format!("c{at}"), "any");
        builder = builder.node(&name(at), set(&format!("c{at}"), "1"));
    }
    for at in 1..nodes {
        builder = match at % 10 {
            3 | 4 => builder.edge(&name(at / 10 * 10 + 2), &name(at)),
            5 => builder
                .edge(&name(at - 2), &name(at))
                .edge(&name(at - 1), &name(at)),
            0 if at % 30 == 0 => builder
                .edge(&name(at - 1), &name(at))
                .edge(&name(at - 10), &name(at)),
            _ => builder.edge(&name(at - 1), &name(at)),
        };
        if at % 10 == 8 {
            builder = builder.loop_back(&name(at), &name(at - 1), "n < 3", 3);
        }
    }
    compile(builder.build(), None, &Empty)
        .into_result()
        .unwrap_or_else(|problems| panic!("{problems:#?}"))
}

/// A run of [`REVIEW`] that was sent back once and failed late.
pub(crate) fn review_run(graph: &Graph) -> Overlay {
    let mut overlay = Overlay::default();
    let mut node = |name: &str, state, visits, millis: u64, note: &str| {
        let run = NodeRun {
            state,
            visits,
            millis: (millis > 0).then_some(millis),
            note: (!note.is_empty()).then(|| note.to_owned()),
        };
        overlay.nodes.insert(name.to_owned(), run);
    };
    node("classify", NodeState::Done, 1, 412, "");
    node("search", NodeState::Done, 1, 1_870, "");
    node("research", NodeState::Skipped, 0, 0, "");
    node("small_talk", NodeState::Skipped, 0, 0, "");
    node("give_up", NodeState::Skipped, 0, 0, "");
    node("write", NodeState::Done, 2, 75_000, "");
    node("judge", NodeState::Done, 2, 3_300, "");
    node("approve", NodeState::Running, 1, 0, "");
    node(
        "publish",
        NodeState::Failed,
        1,
        20,
        "no <connection> & \"more\"",
    );
    for edge in graph.flow().edge_weights() {
        let taken = match edge.path.as_str() {
            "edges[0].cases.fact" | "edges[1]" | "edges[5]" | "edges[6]" | "edges[7]" => 1,
            "edges[4]" => 2,
            _ => 0,
        };
        if taken > 0 {
            overlay.edges.insert(EdgeKey::top(edge.id), taken);
        }
    }
    overlay
}

/// A scene with names that no compiler would let through.
pub(crate) fn scene(names: &[String], lines: &[(usize, usize, bool, String)]) -> Scene {
    let steps = names.iter().enumerate().map(|(at, name)| Step {
        path: name.clone(),
        name: name.clone(),
        kind: Kind::ALL[at % Kind::ALL.len()],
        detail: name.clone(),
        about: vec![name.clone()],
        run: None,
        inner: None,
    });
    let lines = lines
        .iter()
        .enumerate()
        .map(|(id, (from, to, back, label))| Line {
            id: u32::try_from(id).unwrap(),
            from: *from,
            to: *to,
            label: vec![label.clone()],
            about: label.clone(),
            back: *back,
            on_error: id % 3 == 0,
            taken: None,
        });
    Scene {
        name: names.first().cloned().unwrap_or_default(),
        steps: steps.collect(),
        lines: lines.collect(),
        starts: vec![0],
        ends: vec![names.len().saturating_sub(1)],
    }
}
