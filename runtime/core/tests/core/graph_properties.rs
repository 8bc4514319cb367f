//! Random graphs: nothing stalls, nothing is lost, visits are bounded, and the final state is
//! that of a plain sequential interpreter, in whatever order nodes come to their end.

use std::collections::HashMap;
use std::sync::Arc;

use proptest::prelude::*;
use ropewalk_core::graph::builder::{GraphBuilder, function};
use ropewalk_core::graph::channel::NoReducers;
use ropewalk_core::graph::definition::{EdgeDefinition, GraphDefinition, Join, Reducer, Writes};
use ropewalk_core::graph::ir::{Condition, EdgeId, Graph, NodeId};
use ropewalk_core::graph::library::Empty;
use ropewalk_core::graph::machine::{Activation, GraphMachine, NodeEnd, NodeResult};
use ropewalk_core::graph::scheduler::NodeState;
use ropewalk_core::graph::short::OneOrMany;
use ropewalk_core::graph::{Compiled, compile};
use serde_json::{Map, Value, json};

/// What a random graph is made from. Forward edges lead from lower to higher numbers.
#[derive(Debug, Clone)]
struct Plan {
    nodes: usize,
    joins: Vec<u8>,
    edges: Vec<(usize, usize, u8)>,
    loops: Vec<(usize, usize, u32)>,
    reads: Vec<(usize, usize)>,
}

fn plan() -> impl Strategy<Value = Plan> {
    (2_usize..12).prop_flat_map(|nodes| {
        let edge = (0..nodes, 0..nodes, 0_u8..4);
        let back = (0..nodes, 0..nodes, 1_u32..4);
        let read = (0..nodes, 0..nodes);
        (
            proptest::collection::vec(0_u8..6, nodes),
            proptest::collection::vec(edge, 0..nodes * 2),
            proptest::collection::vec(back, 0..4),
            proptest::collection::vec(read, 0..nodes * 2),
        )
            .prop_map(move |(joins, edges, loops, reads)| Plan {
                nodes,
                joins,
                edges,
                loops,
                reads,
            })
    })
}

fn definition(plan: &Plan, reads: &[(usize, usize)]) -> GraphDefinition {
    let mut builder = GraphBuilder::new("random")
        .reduced("log", Reducer::Append)
        .reduced("sum", Reducer::Sum);
    let mut led_to = vec![false; plan.nodes];
    let mut edges = Vec::new();
    let mut seen = std::collections::HashSet::new();
    for (a, b, kind) in &plan.edges {
        let (from, to) = (*a.min(b), *a.max(b));
        if from != to && seen.insert((from, to)) {
            led_to[to] = true;
            edges.push((from, to, *kind));
        }
    }
    for (node, led_to) in led_to.iter().enumerate() {
        builder = builder.channel(&format!("c{node}"), "number");
        let reads: Vec<String> = reads
            .iter()
            .filter(|(reader, _)| *reader == node)
            .map(|(_, channel)| format!("c{channel}"))
            .collect();
        let reads: Vec<&str> = reads.iter().map(String::as_str).collect();
        let mut work = function("work", &reads);
        work.writes = Writes::Expressions(
            [
                (format!("c{node}"), "result.value".to_owned()),
                ("log".to_owned(), "result.name".to_owned()),
                ("sum".to_owned(), "result.value".to_owned()),
            ]
            .into_iter()
            .collect(),
        );
        work.join = match plan.joins[node] {
            4 => Join::Any,
            5 => Join::Every,
            _ => Join::All,
        };
        builder = builder.node(&format!("n{node}"), work);
        if !led_to {
            builder = builder.start(&format!("n{node}"));
        }
    }
    let with_when: Vec<usize> = edges
        .iter()
        .filter(|(_, _, kind)| *kind == 2)
        .map(|(from, ..)| *from)
        .collect();
    for (from, to, kind) in edges {
        let (a, b) = (format!("n{from}"), format!("n{to}"));
        builder = match kind {
            2 => builder.edge_when(&a, &b, &format!("c{from} % 3 == {}", to % 3)),
            3 if with_when.contains(&from) => builder.edge_else(&a, &b),
            _ => builder.edge(&a, &b),
        };
    }
    for (a, b, most) in &plan.loops {
        let (header, source) = (a.min(b), a.max(b));
        builder = builder.edge_with(EdgeDefinition {
            from: OneOrMany(vec![format!("n{source}")]),
            to: OneOrMany(vec![format!("n{header}")]),
            when: Some(format!("c{source} % 4 != 0")),
            max_visits: Some(*most),
            ..EdgeDefinition::default()
        });
    }
    builder.build()
}

/// The graph, if it is one, with reads of what comes before.
fn graph(plan: &Plan) -> Option<Arc<Graph>> {
    let mut plan = plan.clone();
    let bare = loop {
        let Compiled { graph, .. } = compile(definition(&plan, &[]), None, &Empty);
        match graph {
            Some(graph) => break graph,
            // Most often a loop that lies across another, or that nothing leads back in.
            None if plan.loops.pop().is_some() => {}
            None => return None,
        }
    };
    let id = |node: usize| bare.node_named(&format!("n{node}")).unwrap();
    let reads: Vec<(usize, usize)> = plan
        .reads
        .iter()
        .copied()
        .filter(|(reader, read)| bare.plan().precedes(id(*read), id(*reader)))
        .collect();
    let compiled = compile(definition(&plan, &reads), None, &Empty);
    assert!(
        compiled.graph.is_some(),
        "reads of what comes before are refused: {compiled:?}"
    );
    compiled.graph
}

/// What a node makes of what it reads.
fn work(name: &str, visit: u32, inputs: &[i64]) -> Value {
    let mut value = i64::from(visit);
    for byte in name.bytes() {
        value = (value * 31 + i64::from(byte)) % 997;
    }
    for (index, input) in inputs.iter().enumerate() {
        value = (value * 7 + input * (index as i64 + 1)) % 997;
    }
    json!({"value": value, "name": format!("{name}#{visit}")})
}

fn read(activation: &Activation, graph: &Graph) -> Vec<i64> {
    let node = graph.node(activation.node).unwrap();
    let names = node.reads.iter().map(|id| graph.channel_name(*id));
    // An edge's condition makes a node read its own channel too.
    let own = format!("c{}", &node.name[1..]);
    names
        .filter(|name| *name != own)
        .map(|name| {
            activation
                .inputs
                .get(name)
                .and_then(Value::as_i64)
                .unwrap_or(-1)
        })
        .collect()
}

struct Ran {
    outputs: Map<String, Value>,
    ends: Vec<NodeEnd>,
    visits: HashMap<String, u32>,
}

/// Runs a graph; `choose` says which of the running nodes comes to its end next.
fn run(graph: &Arc<Graph>, mut choose: impl FnMut(usize) -> usize) -> Ran {
    let mut machine =
        GraphMachine::new(Arc::clone(graph), &Map::new(), Arc::new(NoReducers)).unwrap();
    let (mut running, mut ends, mut visits) = (Vec::new(), Vec::new(), HashMap::new());
    loop {
        while let Some(activation) = machine.start().unwrap() {
            let name = graph.node(activation.node).unwrap().name.clone();
            let inputs = read(&activation, graph);
            *visits.entry(name.clone()).or_default() += 1;
            assert!(ends.len() < 100_000, "it does not end");
            running.push((work(&name, activation.visit, &inputs), activation));
        }
        if running.is_empty() {
            break;
        }
        let next = choose(running.len()) % running.len();
        let (result, activation) = running.swap_remove(next);
        let writes = machine
            .writes(&activation, &NodeResult::of(result))
            .unwrap();
        ends.push(machine.done(&activation, writes));
    }
    assert!(machine.is_over() && machine.failure().is_none());
    for node in graph.flow().node_indices() {
        let state = machine.state(node);
        assert!(
            matches!(state, NodeState::Done | NodeState::Skipped),
            "`{}` is left {state:?}",
            graph.node(node).unwrap().name
        );
    }
    Ran {
        outputs: machine.outputs().unwrap(),
        ends,
        visits,
    }
}

/// One node after the other, in order; a loop is a stretch that is gone through again.
struct Reference<'a> {
    graph: &'a Graph,
    taken: HashMap<EdgeId, bool>,
    /// The header that a loop has just led back to.
    entered: Option<NodeId>,
    visits: HashMap<NodeId, u32>,
    channels: HashMap<String, i64>,
    log: Vec<String>,
    sum: i64,
}

impl Reference<'_> {
    fn stretch(&mut self, nodes: &[NodeId], depth: usize) {
        let plan = self.graph.plan();
        let mut index = 0;
        while index < nodes.len() {
            let Some(found) = plan.loops_around(nodes[index]).get(depth) else {
                self.node(nodes[index]);
                index += 1;
                continue;
            };
            let inner = &plan.loops[*found];
            let body = &nodes[index..index + inner.body.len()];
            for turn in 1.. {
                // What leads back starts the header, whatever else leads to it.
                if turn > 1 {
                    self.entered = Some(inner.header);
                }
                self.stretch(body, depth + 1);
                if !self.taken[&inner.edge] || turn == inner.max_visits {
                    break;
                }
            }
            index += body.len();
        }
    }

    fn node(&mut self, id: NodeId) {
        let plan = self.graph.plan();
        let node = self.graph.node(id).unwrap();
        let into: Vec<bool> = plan
            .into_node(id)
            .iter()
            .map(|edge| self.taken[edge])
            .collect();
        let entered = self.entered.take_if(|entered| *entered == id).is_some();
        let runs = entered
            || match node.join {
                Join::All | Join::Any => into.is_empty() || into.contains(&true),
                Join::Every => into.iter().all(|taken| *taken),
            };
        for edge in plan.out_of(id) {
            self.taken.insert(*edge, false);
        }
        if !runs {
            return;
        }
        let visit = *self
            .visits
            .entry(id)
            .and_modify(|visits| *visits += 1)
            .or_insert(1);
        let own = format!("c{}", &node.name[1..]);
        let names = node
            .reads
            .iter()
            .map(|id| self.graph.channel_name(*id).to_owned());
        let inputs: Vec<i64> = names
            .filter(|name| *name != own)
            .map(|name| self.channels.get(&name).copied().unwrap_or(-1))
            .collect();
        let result = work(&node.name, visit, &inputs);
        let value = result["value"].as_i64().unwrap();
        self.channels.insert(own, value);
        self.log.push(result["name"].as_str().unwrap().to_owned());
        self.sum += value;
        let holds = |source: &str| {
            let (left, right) = source.split_once(" % ").unwrap();
            assert_eq!(left, format!("c{}", &node.name[1..]));
            match right.split_once(" == ") {
                Some((modulus, rest)) => {
                    value % modulus.parse::<i64>().unwrap() == rest.parse::<i64>().unwrap()
                }
                None => value % 4 != 0,
            }
        };
        let conditions: Vec<(EdgeId, &Condition, bool)> = self
            .graph
            .flow()
            .edge_weights()
            .filter(|edge| plan.out_of(id).contains(&edge.id))
            .map(|edge| (edge.id, &edge.condition, edge.max_visits.is_some()))
            .collect();
        let any = conditions.iter().any(|(_, condition, back)| {
            matches!(condition, Condition::When(when) if !back && holds(when.source()))
        });
        for (edge, condition, _) in conditions {
            let taken = match condition {
                Condition::Always => true,
                Condition::When(when) => holds(when.source()),
                Condition::Otherwise => !any,
                _ => false,
            };
            self.taken.insert(edge, taken);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn any_order_of_completion_gives_the_state_of_a_sequential_run(plan in plan(), picks in any::<u64>()) {
        let Some(graph) = graph(&plan) else { return Ok(()) };
        let mut reference = Reference {
            graph: &graph,
            taken: HashMap::new(),
            entered: None,
            visits: HashMap::new(),
            channels: HashMap::new(),
            log: Vec::new(),
            sum: 0,
        };
        reference.stretch(&graph.plan().order, 0);
        let mut state = picks | 1;
        for shuffle in 0..4 {
            let ran = run(&graph, |count| match shuffle {
                0 => 0,
                1 => count - 1,
                _ => {
                    state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                    (state >> 33) as usize
                }
            });
            prop_assert_eq!(&ran.outputs["log"], &if reference.log.is_empty() { Value::Null } else { json!(reference.log) });
            prop_assert_eq!(ran.outputs["sum"].as_i64().unwrap_or(0), reference.sum);
            for (channel, value) in &reference.channels {
                prop_assert_eq!(ran.outputs[channel].as_i64(), Some(*value));
            }
            for (node, visits) in &reference.visits {
                let name = &graph.node(*node).unwrap().name;
                prop_assert_eq!(ran.visits.get(name), Some(visits), "lost or repeated: {}", name);
                let bound: u32 = graph
                    .plan()
                    .loops_around(*node)
                    .iter()
                    .map(|around| graph.plan().loops[*around].max_visits)
                    .product();
                prop_assert!(*visits <= bound);
            }
        }
    }

    /// A fresh machine that is told the ends of another's nodes, one by one, arrives where the
    /// other was at every step, and goes on to the same end.
    #[test]
    fn a_run_is_the_fold_of_its_ends(plan in plan(), cut in any::<prop::sample::Index>()) {
        let Some(graph) = graph(&plan) else { return Ok(()) };
        let whole = run(&graph, |count| count / 2);
        let cut = cut.index(whole.ends.len() + 1);
        let mut machine = GraphMachine::new(Arc::clone(&graph), &Map::new(), Arc::new(NoReducers)).unwrap();
        let mut given: Vec<Activation> = Vec::new();
        for end in whole.ends.iter().take(cut) {
            while let Some(activation) = machine.start().unwrap() {
                given.push(activation);
            }
            prop_assert!(machine.replay(end), "the node of a logged end is not running");
            given.retain(|activation| activation.node != end.node);
        }
        // The same from a snapshot: what was running is given again.
        let stored = serde_json::to_string(&machine.save().unwrap()).unwrap();
        let stored = serde_json::from_str(&stored).unwrap();
        let mut restored = GraphMachine::restore(Arc::clone(&graph), stored, Arc::new(NoReducers)).unwrap();
        let mut given_again = Vec::new();
        for (machine, given) in [(&mut machine, &mut given), (&mut restored, &mut given_again)] {
        loop {
            while let Some(activation) = machine.start().unwrap() {
                given.push(activation);
            }
            let Some(activation) = given.pop() else { break };
            let name = graph.node(activation.node).unwrap().name.clone();
            let result = work(&name, activation.visit, &read(&activation, &graph));
            let writes = machine.writes(&activation, &NodeResult::of(result)).unwrap();
            machine.done(&activation, writes);
        }
        prop_assert_eq!(&machine.outputs().unwrap(), &whole.outputs);
        }
    }

    /// Reading what another may be writing is refused, and so is writing beside another.
    #[test]
    fn every_race_is_found(plan in plan(), reader in any::<prop::sample::Index>(), writer in any::<prop::sample::Index>()) {
        let Some(bare) = graph(&plan) else { return Ok(()) };
        let count = bare.flow().node_count();
        let (a, b) = (reader.index(count), writer.index(count));
        let id = |node: usize| bare.node_named(&format!("n{node}")).unwrap();
        if a == b {
            return Ok(());
        }
        let overlap = bare.plan().may_overlap(bare.flow(), id(a), id(b));
        let mut racing = bare.definition().clone();
        racing.nodes[a].reads.get_or_insert_default().push(format!("c{b}"));
        let found = compile(racing, None, &Empty).graph.is_none();
        // What nothing before writes is refused as well, for another reason.
        prop_assert!(found || !overlap, "n{} reads c{} unseen", a, b);
        let mut racing = bare.definition().clone();
        if let Writes::Expressions(writes) = &mut racing.nodes[a].writes {
            writes.insert(format!("c{b}"), "result.value".to_owned());
        }
        let found = compile(racing, None, &Empty).graph.is_none();
        prop_assert!(found || !overlap, "n{} writes c{} unseen", a, b);
    }

    #[test]
    fn the_order_is_one_and_every_loop_is_a_stretch_of_it(plan in plan()) {
        let Some(graph) = graph(&plan) else { return Ok(()) };
        let plan = graph.plan();
        for edge in &plan.edges {
            prop_assert!(edge.back.is_some() || plan.rank_of(edge.from) < plan.rank_of(edge.to));
        }
        for found in &plan.loops {
            let ranks: Vec<u32> = found.body.iter().map(|node| plan.rank_of(*node)).collect();
            prop_assert_eq!(plan.rank_of(found.header), ranks[0]);
            prop_assert!(ranks.windows(2).all(|pair| pair[1] == pair[0] + 1));
        }
    }
}

/// Two loops with one header, into which the outer one leads back while nothing else does.
#[test]
fn a_header_of_two_loops_is_entered_by_the_outer_one() {
    let plan = Plan {
        nodes: 3,
        joins: vec![0, 0, 0],
        edges: vec![(1, 0, 2), (2, 1, 0), (0, 2, 0)],
        loops: vec![(1, 1, 1), (2, 1, 2)],
        reads: Vec::new(),
    };
    let graph = graph(&plan).unwrap();
    let ran = run(&graph, |_| 0);
    assert!(
        ran.visits["n2"] <= 2 && ran.visits["n0"] == 1,
        "{:?}",
        ran.visits
    );
}
