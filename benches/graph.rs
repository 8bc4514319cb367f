//! The graph runtime beside LangGraph: same graphs, same machine, rounds in turn. Nodes do next
//! to nothing, so that what is measured is the runtime.
//!
//! One JSON line per figure: the median over rounds, and the median of the rounds' own ratios,
//! ours over theirs.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a benchmark may panic"
)]

mod peer;

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use ropewalk_core::graph::builder::{GraphBuilder, function, human, map, set};
use ropewalk_core::graph::compile;
use ropewalk_core::graph::definition::{
    ChannelDefinition, EdgeDefinition, GraphDefinition, NodeDefinition, Reducer, ValueType, Writes,
};
use ropewalk_core::graph::ir::Graph;
use ropewalk_core::graph::library::Empty;
use ropewalk_core::graph::short::OneOrMany;
use ropewalk_engine::run::{self, Resumed, RunOptions, RunResult};
use ropewalk_engine::services::{FunctionCall, Functions, NoTools, OneEngine, Services};
use ropewalk_engine::store::sqlite::SqliteStore;
use ropewalk_engine::store::{Durability, ListQuery, Store};
use ropewalk_models::scripted::Scripted;
use serde_json::{Map, Value, json};
use tokio::runtime::Runtime;

/// The module that the peer cannot do without.
const LANGGRAPH: &str = "langgraph.checkpoint.sqlite";

const CHAIN: usize = 100;
const LAYERS: usize = 10;
const WIDTH: usize = 10;
const FAN: usize = 1000;
const STEPS: u32 = 200;
const PIECES: usize = 1024;
const PIECE: usize = 1024;
const ROUNDS: usize = 7;

fn compiled(definition: GraphDefinition) -> Arc<Graph> {
    let compiled = compile(definition, None, &Empty);
    compiled
        .graph
        .unwrap_or_else(|| panic!("{:?}", compiled.diagnostics))
}

/// A function that reads a channel and writes it.
fn step(name: &str, channel: &str) -> NodeDefinition {
    function(name, &[channel]).write(channel)
}

fn chain(name: &str) -> Arc<Graph> {
    let mut builder = GraphBuilder::new("chain").input("n", "integer").output("n");
    for node in 0..CHAIN {
        builder = builder.node(&format!("n{node}"), step(name, "n"));
        if node > 0 {
            builder = builder.edge(&format!("n{}", node - 1), &format!("n{node}"));
        }
    }
    compiled(builder.build())
}

fn lattice() -> Arc<Graph> {
    let mut builder = GraphBuilder::new("lattice").reduced("log", Reducer::Append);
    for layer in 0..LAYERS {
        for place in 0..WIDTH {
            let name = format!("n{layer}_{place}");
            let mut work = function("name", &[]);
            work.writes = Writes::Whole("log".to_owned());
            builder = builder.node(&name, work);
            if layer == 0 {
                builder = builder.start(&name);
            } else {
                for before in 0..WIDTH {
                    builder = builder.edge(&format!("n{}_{before}", layer - 1), &name);
                }
            }
        }
    }
    compiled(builder.build())
}

fn fan() -> Arc<Graph> {
    let mut each = function("plus", &[]);
    let arguments = json!({"n": "{{ item }}"});
    each.function.as_mut().unwrap().arguments =
        Some(arguments.as_object().unwrap().clone().into_iter().collect());
    let mut spread = map("items", each).write("out");
    spread.map.as_mut().unwrap().concurrency = FAN as u32;
    let builder = GraphBuilder::new("fan")
        .input("items", "array")
        .channel("out", "array")
        .channel("total", "integer")
        .output("total")
        .node("work", spread)
        .node("collect", set("total", "out|sum"))
        .edge("work", "collect");
    compiled(builder.build())
}

/// A loop of [`STEPS`] turns over a document of 1 MiB, of which each changes 1 KiB.
fn big() -> Arc<Graph> {
    let mut work = function("change", &["n"]);
    work.writes = Writes::Expressions(
        [
            ("n".to_owned(), "result.n".to_owned()),
            ("doc".to_owned(), "result.piece".to_owned()),
        ]
        .into_iter()
        .collect(),
    );
    let doc = ChannelDefinition {
        value_type: ValueType::Array,
        reducer: Reducer::Function("put".to_owned()),
        ..ChannelDefinition::default()
    };
    let again = EdgeDefinition {
        from: OneOrMany(vec!["step".to_owned()]),
        to: OneOrMany(vec!["step".to_owned()]),
        when: Some(format!("n < {STEPS}")),
        max_visits: Some(STEPS),
        ..EdgeDefinition::default()
    };
    let mut definition = GraphBuilder::new("big")
        .input("n", "integer")
        .channel_with("doc", doc)
        .node("step", work)
        .edge_with(again)
        .build();
    definition.input.push("doc".to_owned());
    compiled(definition)
}

fn pseudo(seed: u64) -> impl FnMut() -> String {
    let mut state = seed;
    move || {
        let mut piece = String::with_capacity(PIECE);
        while piece.len() < PIECE {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            piece.push_str(&format!("{state:016x}"));
        }
        piece
    }
}

/// When the node that the crash had interrupted ran again.
static FIRST: Mutex<Option<Instant>> = Mutex::new(None);

fn services(store: Option<Arc<dyn Store>>, fail: Arc<AtomicBool>) -> Services {
    let plus = |arguments: Map<String, Value>| Ok(json!(arguments["n"].as_i64().unwrap() + 1));
    let functions = Functions::new()
        .with("plus", plus)
        .with("name", |_| Ok(json!("a name")))
        .with_effect("plus_effect", false, move |call: FunctionCall| async move {
            plus(call.arguments)
        })
        .with("change", move |arguments| {
            FIRST.lock().unwrap().get_or_insert_with(Instant::now);
            let n = arguments["n"].as_u64().unwrap();
            if n + 1 == u64::from(STEPS) && fail.load(Ordering::Relaxed) {
                return Err("crash".to_owned());
            }
            let piece = pseudo(n * 77 + 7)();
            Ok(json!({"n": n + 1, "piece": {"i": n as usize % PIECES, "v": piece}}))
        })
        .with_async("slow", |_| async {
            tokio::time::sleep(Duration::from_millis(100)).await;
            Ok(Value::Null)
        })
        .with_async("fast", |_| async {
            tokio::time::sleep(Duration::from_millis(10)).await;
            Ok(Value::Null)
        })
        .with_reducer("put", |current, written| {
            let mut doc = current;
            let place = written["i"].as_u64().unwrap() as usize;
            doc[place] = written["v"].clone();
            Ok(doc)
        });
    Services {
        engines: Arc::new(OneEngine(Arc::new(Scripted::new(Vec::new())))),
        tools: Arc::new(NoTools),
        functions: Arc::new(functions),
        store,
    }
}

fn inputs(value: Value) -> Map<String, Value> {
    value.as_object().unwrap().clone()
}

fn go(
    runtime: &Runtime,
    services: &Services,
    graph: &Arc<Graph>,
    given: &Map<String, Value>,
    durability: Durability,
) -> f64 {
    let options = RunOptions {
        durability,
        ..RunOptions::default()
    };
    let start = Instant::now();
    let end = runtime.block_on(run::start(services, graph, given, options));
    let took = start.elapsed().as_secs_f64();
    let end = end.unwrap();
    assert!(
        matches!(end.result, RunResult::Completed { .. }),
        "{:?}",
        end.result
    );
    took
}

/// Rounds of ours and theirs in turn, each as seconds for one of `count` nodes.
fn beside(
    peer: &mut Option<peer::Peer>,
    (name, case): (&str, &str),
    count: usize,
    mut ours: impl FnMut() -> f64,
) {
    let wanted = std::env::var("ROPEWALK_GRAPH_CASE").unwrap_or_default();
    if !name.contains(&wanted) {
        return;
    }
    ours();
    let (mut our, mut their) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        our.push(ours() * 1e6 / count as f64);
        if let Some(peer) = peer {
            their.push(peer.round(case) * 1e6 / count as f64);
        }
    }
    peer::figure(name, "us/node", &our, &their);
}

fn bytes_of(file: &Path) -> f64 {
    let of = |end: &str| {
        let path = format!("{}{end}", file.display());
        std::fs::metadata(path).map_or(0, |found| found.len())
    };
    (of("") + of("-wal") + of("-shm")) as f64
}

fn document() -> Value {
    let mut piece = pseudo(1);
    (0..PIECES).map(|_| piece()).collect()
}

fn stored(runtime: &Runtime) -> f64 {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("runs.db");
    let store: Arc<dyn Store> = Arc::new(SqliteStore::open(&file).unwrap());
    let services = services(Some(store), Arc::default());
    let given = inputs(json!({"n": 0, "doc": document()}));
    go(runtime, &services, &big(), &given, Durability::Full);
    drop(services);
    bytes_of(&file)
}

/// A store with a run that a crash has interrupted in its last step.
fn crashed(runtime: &Runtime, file: &Path) {
    let graph = big();
    {
        let store: Arc<dyn Store> = Arc::new(SqliteStore::open(file).unwrap());
        let services = services(Some(store), Arc::new(AtomicBool::new(true)));
        let given = inputs(json!({"n": 0, "doc": document()}));
        let options = RunOptions {
            durability: Durability::Full,
            ..RunOptions::default()
        };
        let end = runtime.block_on(run::start(&services, &graph, &given, options));
        assert!(matches!(end.unwrap().result, RunResult::Failed { .. }));
    }
}

/// Seconds from opening the store to the node that the crash had interrupted.
fn resumed(runtime: &Runtime) -> f64 {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("runs.db");
    crashed(runtime, &file);
    taken_up(runtime, &file)
}

fn taken_up(runtime: &Runtime, file: &Path) -> f64 {
    let graph = big();
    *FIRST.lock().unwrap() = None;
    let start = Instant::now();
    let store: Arc<dyn Store> = Arc::new(SqliteStore::open(file).unwrap());
    let services = services(Some(Arc::clone(&store)), Arc::default());
    let end = runtime.block_on(async {
        let query = ListQuery {
            limit: 1,
            ..ListQuery::default()
        };
        let known = store.list(query).await.unwrap();
        let graph = Resumed::With(graph);
        run::resume(&services, known[0].run, graph, RunOptions::default()).await
    });
    assert!(matches!(end.unwrap().result, RunResult::Completed { .. }));
    let first = FIRST.lock().unwrap().unwrap();
    first.duration_since(start).as_secs_f64()
}

/// Two arms of five nodes that take 10 and 100 ms in turn, joined at the end.
fn arms(runtime: &Runtime) -> f64 {
    let mut builder = GraphBuilder::new("arms").node("join", set("done", "true"));
    builder = builder.channel("done", "boolean");
    for (arm, phase) in [("a", 0), ("b", 1)] {
        for node in 0..5 {
            let work = if (node + phase) % 2 == 1 {
                "slow"
            } else {
                "fast"
            };
            let name = format!("{arm}{node}");
            builder = builder.node(&name, function(work, &[]));
            builder = match node {
                0 => builder.start(&name),
                _ => builder.edge(&format!("{arm}{}", node - 1), &name),
            };
        }
        builder = builder.edge(&format!("{arm}4"), "join");
    }
    let services = services(None, Arc::default());
    let graph = compiled(builder.build());
    go(runtime, &services, &graph, &Map::new(), Durability::Off) / 0.32
}

/// A random lattice of such nodes; its time over its critical path.
fn random_lattice(runtime: &Runtime, seed: u64) -> f64 {
    let mut state = seed | 1;
    let mut chance = move |most: u64| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state % most
    };
    let mut builder = GraphBuilder::new("lattice");
    let mut ends = [[0.0_f64; 4]; 5];
    for layer in 0..5 {
        for place in 0..4 {
            let slow = chance(2) == 0;
            let name = format!("n{layer}_{place}");
            builder = builder.node(&name, function(if slow { "slow" } else { "fast" }, &[]));
            let mut begin = 0.0_f64;
            if layer == 0 {
                builder = builder.start(&name);
            } else {
                let own = chance(4) as usize;
                for (before, end) in ends[layer - 1].iter().enumerate() {
                    if before == own || chance(3) == 0 {
                        builder = builder.edge(&format!("n{}_{before}", layer - 1), &name);
                        begin = begin.max(*end);
                    }
                }
            }
            ends[layer][place] = begin + if slow { 0.1 } else { 0.01 };
        }
    }
    let critical = ends.iter().flatten().copied().fold(0.0, f64::max);
    let services = services(None, Arc::default());
    let graph = compiled(builder.build());
    go(runtime, &services, &graph, &Map::new(), Durability::Off) / critical
}

/// Seconds from the start of a process to its first node.
fn cold(mut command: Command, first: &str) -> f64 {
    use std::io::{BufRead, BufReader};
    let start = Instant::now();
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut took = None;
    for line in lines.map_while(Result::ok) {
        if took.is_none() && line.contains(first) {
            took = Some(start.elapsed().as_secs_f64());
        }
    }
    child.wait().unwrap();
    took.expect("the node ran")
}

fn peak_kib() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmHWM"));
    line.and_then(|line| line.split_whitespace().nth(1)?.parse().ok())
        .unwrap_or(f64::NAN)
}

/// One case alone in this process, for its memory.
fn alone(case: &str) {
    let runtime = Runtime::new().unwrap();
    let services = services(None, Arc::default());
    let n = inputs(json!({"n": 0}));
    match case {
        "chain" => {
            go(&runtime, &services, &chain("plus"), &n, Durability::Off);
        }
        "fan" => {
            let items = inputs(json!({"items": (0..FAN).collect::<Vec<_>>()}));
            go(&runtime, &services, &fan(), &items, Durability::Off);
        }
        "stored" => {
            stored(&runtime);
        }
        // For a profile: many resumptions of one run.
        "resume" => {
            let folder = tempfile::tempdir().unwrap();
            let file = folder.path().join("runs.db");
            crashed(&runtime, &file);
            let copy = folder.path().join("copy.db");
            for _ in 0..100 {
                for end in ["-wal", "-shm"] {
                    let _ = std::fs::remove_file(format!("{}{end}", copy.display()));
                }
                std::fs::copy(&file, &copy).unwrap();
                taken_up(&runtime, &copy);
            }
        }
        other => panic!("no case {other}"),
    }
    println!("{}", peak_kib());
}

fn memory_of(mut command: Command) -> Option<f64> {
    let output = command.stderr(Stdio::null()).output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.lines().last()?.trim().parse().ok()
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    if let Some(at) = arguments.iter().position(|argument| argument == "--alone") {
        return alone(&arguments[at + 1]);
    }
    let wanted = std::env::var("ROPEWALK_GRAPH_CASE").unwrap_or_default();
    let wants = |name: &str| name.contains(&wanted);
    let runtime = Runtime::new().unwrap();
    peer::install(LANGGRAPH, &["langgraph", "langgraph-checkpoint-sqlite"]);
    let mut peer = peer::Peer::start("langgraph_graph.py", &[]);
    let plain = services(None, Arc::default());
    let n = inputs(json!({"n": 0}));

    let graph = chain("plus");
    beside(
        &mut peer,
        ("chain_of_100_in_memory", "chain"),
        CHAIN,
        || {
            // One run is too short for the clock.
            let all = (0..50).map(|_| go(&runtime, &plain, &graph, &n, Durability::Off));
            all.sum::<f64>() / 50.0
        },
    );
    let graph = lattice();
    beside(
        &mut peer,
        ("lattice_10_by_10_in_memory", "lattice"),
        LAYERS * WIDTH,
        || {
            let none = Map::new();
            let all = (0..50).map(|_| go(&runtime, &plain, &graph, &none, Durability::Off));
            all.sum::<f64>() / 50.0
        },
    );
    let graph = fan();
    let items = inputs(json!({"items": (0..FAN).collect::<Vec<_>>()}));
    beside(&mut peer, ("fan_out_and_in_of_1000", "fan"), FAN, || {
        go(&runtime, &plain, &graph, &items, Durability::Off)
    });

    let folder = tempfile::tempdir().unwrap();
    let store: Arc<dyn Store> =
        Arc::new(SqliteStore::open(&folder.path().join("runs.db")).unwrap());
    let kept = services(Some(store), Arc::default());
    beside(
        &mut peer,
        ("fan_out_and_in_of_1000_durable", "fan_durable"),
        FAN,
        || go(&runtime, &kept, &graph, &items, Durability::Full),
    );
    let graph = chain("plus");
    beside(
        &mut peer,
        ("chain_of_100_durable", "chain_durable"),
        CHAIN,
        || go(&runtime, &kept, &graph, &n, Durability::Full),
    );
    // Here every node touches the world, and its start is on disk before it does.
    let graph = chain("plus_effect");
    beside(
        &mut peer,
        ("chain_of_100_durable_effects", "chain_durable"),
        CHAIN,
        || go(&runtime, &kept, &graph, &n, Durability::Full),
    );
    drop(kept);

    for (name, case) in [
        ("stored_200_steps_of_1_mib", "stored"),
        ("stored_200_steps_of_1_mib_beside_delta", "stored_delta"),
    ]
    .into_iter()
    .filter(|(name, _)| wants(name))
    {
        let ours = [stored(&runtime), stored(&runtime)];
        let theirs: Vec<f64> = peer.iter_mut().map(|peer| peer.round(case)).collect();
        let theirs: Vec<f64> = theirs
            .iter()
            .cycle()
            .take(2 * theirs.len())
            .copied()
            .collect();
        peer::figure(name, "bytes", &ours, &theirs);
    }
    for (name, case) in [
        ("resume_after_200_steps", "resume"),
        ("resume_after_200_steps_beside_delta", "resume_delta"),
    ]
    .into_iter()
    .filter(|(name, _)| wants(name))
    {
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        for _ in 0..3 {
            ours.push(resumed(&runtime) * 1e3);
            theirs.extend(peer.iter_mut().map(|peer| peer.round(case) * 1e3));
        }
        peer::figure(name, "ms", &ours, &theirs);
    }
    drop(peer);

    for case in ["chain", "fan", "stored"] {
        if !wants(&format!("peak_memory_{case}")) {
            continue;
        }
        let mut own = Command::new(std::env::current_exe().unwrap());
        own.args(["--alone", case]);
        let ours: Vec<f64> = memory_of(own).into_iter().collect();
        let theirs: Vec<f64> = peer::command(LANGGRAPH, "langgraph_graph.py", &[case.to_owned()])
            .and_then(memory_of)
            .into_iter()
            .collect();
        peer::figure(&format!("peak_memory_{case}"), "KiB", &ours, &theirs);
    }

    if wants("cold_start_to_first_node") {
        cold_start(folder.path());
    }
    if wants("memory_after_1000_suspended_runs") {
        suspended(&runtime);
    }
    if wants("unbalanced_arms") {
        let ours: Vec<f64> = (0..3).map(|_| arms(&runtime)).collect();
        peer::figure("unbalanced_arms", "times the critical path", &ours, &[]);
    }
    if wants("random_lattices") {
        let seeds = (1..10).map(|seed| 0x9E37_79B9 * seed);
        let ours: Vec<f64> = seeds.map(|seed| random_lattice(&runtime, seed)).collect();
        peer::figure("random_lattices", "times the critical path", &ours, &[]);
    }
}

/// What a process holds after ten times a hundred runs at once have suspended, over what it held
/// after the first hundred.
fn suspended(runtime: &Runtime) {
    let folder = tempfile::tempdir().unwrap();
    let store: Arc<dyn Store> =
        Arc::new(SqliteStore::open(&folder.path().join("runs.db")).unwrap());
    let services = services(Some(store), Arc::default());
    let graph = compiled(
        GraphBuilder::new("waits")
            .input("n", "integer")
            .channel("said", "string")
            .node("plus", step("plus", "n"))
            .node("ask", human("go on?").write("said"))
            .edge("plus", "ask")
            .build(),
    );
    let now = || {
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let line = status.lines().find(|line| line.starts_with("VmRSS"));
        line.and_then(|line| line.split_whitespace().nth(1)?.parse::<f64>().ok())
            .unwrap_or(f64::NAN)
    };
    let mut first = f64::NAN;
    for batch in 0..10 {
        runtime.block_on(async {
            let runs = (0..100).map(|n| {
                let (services, graph) = (services.clone(), Arc::clone(&graph));
                tokio::spawn(async move {
                    let given = inputs(json!({"n": n}));
                    run::start(&services, &graph, &given, RunOptions::default()).await
                })
            });
            for end in futures::future::join_all(runs.collect::<Vec<_>>()).await {
                let end = end.unwrap().unwrap();
                assert!(matches!(end.result, RunResult::Suspended { .. }));
            }
        });
        if batch == 0 {
            first = now();
        }
    }
    let grown = [now() / first];
    peer::figure(
        "memory_after_1000_suspended_runs",
        "times that after 100",
        &grown,
        &[],
    );
}

fn cold_start(folder: &Path) {
    let graph = folder.join("first.yaml");
    let first = "name: first\nchannels: {n: integer}\nnodes:\n  step: {set: {n: \"1\"}}\n";
    std::fs::write(&graph, first).unwrap();
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let mut own = Command::new(env!("CARGO_BIN_EXE_ropewalk"));
        own.args(["run", "first.yaml", "--json"])
            .current_dir(folder);
        ours.push(cold(own, "node_ended") * 1e3);
        theirs.extend(
            peer::command(LANGGRAPH, "langgraph_cold.py", &[])
                .map(|their| cold(their, "node") * 1e3),
        );
    }
    peer::figure("cold_start_to_first_node", "ms", &ours, &theirs);
}
