//! Graphs that are broken in every way, and graphs that are very large.
//!
//! `ROPEWALK_HEAVY=1` tries 100,000 broken texts instead of 3,000. `ROPEWALK_CASE=N` tries one,
//! and shows it.

pub mod graphs;
mod mutate;
mod sizes;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use ropewalk_core::graph::compile_text;
use ropewalk_core::graph::diagnostic::{Code, Severity};

use crate::graph_checks::library;

/// Longest time one text may take.
const MOST_TIME: Duration = Duration::from_secs(2);

/// A graph or an error, and diagnostics that can be shown. Gives the codes.
fn compiles_or_says_why(text: &str) -> Vec<Code> {
    let compiled = compile_text("broken.yaml", text, &library::Shelf);
    let errors = compiled
        .diagnostics
        .iter()
        .filter(|problem| problem.severity == Severity::Error)
        .count();
    assert_eq!(
        compiled.graph.is_some(),
        errors == 0,
        "{:?}",
        compiled.diagnostics
    );
    let long = text.split(['\n', '\r']).any(|line| line.len() > 9_990);
    for problem in &compiled.diagnostics {
        let shown = problem.to_string();
        assert!(shown.contains(&problem.code.to_string()), "{shown}");
        let plain = |c: char| c == '\n' || !c.is_control();
        assert!(shown.chars().all(plain), "control characters in {shown:?}");
        assert!(shown.len() < 40_000, "{} bytes", shown.len());
        let data = serde_json::to_string(problem).unwrap();
        assert!(data.len() < 100_000, "{} bytes", data.len());
        // Nothing is said of a file without saying where in it.
        let span = problem.span.unwrap_or_else(|| panic!("no place: {shown}"));
        assert!(
            span.line >= 1 && span.column >= 1 && span.length >= 1,
            "{span:?}"
        );
        assert!(problem.line_text.is_some() || long, "no line: {shown}");
    }
    compiled
        .diagnostics
        .iter()
        .map(|problem| problem.code)
        .collect()
}

#[test]
fn the_graphs_are_good() {
    for text in graphs::GRAPHS {
        let compiled = compile_text("good.yaml", text, &library::Shelf);
        let said: Vec<String> = compiled
            .diagnostics
            .iter()
            .map(ToString::to_string)
            .collect();
        assert!(said.is_empty(), "{}\n{text}", said.join("\n"));
    }
}

#[test]
fn broken_graphs_are_answered() {
    if let Some(case) = std::env::var_os("ROPEWALK_CASE") {
        let text = mutate::broken(case.to_str().unwrap().parse().unwrap());
        println!("{text:.4000}");
        println!("{:?}", compiles_or_says_why(&text));
        return;
    }
    let heavy = std::env::var_os("ROPEWALK_HEAVY").is_some();
    let count = if heavy { 100_000 } else { 3_000 };
    let next = AtomicU64::new(0);
    let work = || {
        let mut found: BTreeMap<Option<Code>, usize> = BTreeMap::new();
        let mut slowest = (Duration::ZERO, 0);
        loop {
            let case = next.fetch_add(1, Ordering::Relaxed);
            if case >= count {
                return (found, slowest);
            }
            let text = mutate::broken(case);
            let start = Instant::now();
            let codes = std::panic::catch_unwind(|| compiles_or_says_why(&text));
            let took = start.elapsed();
            slowest = slowest.max((took, case));
            let codes = codes.unwrap_or_else(|_| panic!("case {case}:\n{text:.4000}"));
            assert!(took < MOST_TIME, "case {case} took {took:?}:\n{text:.4000}");
            *found.entry(codes.first().copied()).or_default() += 1;
        }
    };
    let (mut found, mut slowest) = (BTreeMap::new(), (Duration::ZERO, 0));
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..2).map(|_| scope.spawn(work)).collect();
        for worker in workers {
            let (codes, slow) = worker.join().unwrap();
            for (code, count) in codes {
                *found.entry(code).or_insert(0) += count;
            }
            slowest = slowest.max(slow);
        }
    });
    let codes: Vec<String> = found
        .iter()
        .map(|(code, count)| {
            let code = code.map_or_else(|| "none".to_owned(), |code| code.to_string());
            format!("{code}: {count}")
        })
        .collect();
    println!("{count} texts; first codes {}", codes.join(", "));
    println!("slowest: case {} in {:?}", slowest.1, slowest.0);
}

/// What is short to write must not take long to refuse.
#[test]
fn bombs_are_defused() {
    let names = |count: usize| (0..count).map(|i| format!("n{i}")).collect::<Vec<_>>();
    let nodes = |count: usize| {
        let nodes: Vec<String> = names(count)
            .iter()
            .map(|name| format!("  {name}: {{function: tidy}}\n"))
            .collect();
        format!("name: bomb\nnodes:\n{}", nodes.concat())
    };
    let many = |part: &str, count: usize| part.repeat(count);
    let node =
        |node: &str| format!("name: bomb\nchannels: {{n: {{default: 1}}}}\nnodes:\n  a: {node}\n");
    let all = names(3_000).join(", ");
    let bombs = [
        ("all to all", format!("{}edges:\n  - {all} -> {all}\n", nodes(3_000))),
        ("all to all, again and again", {
            let chain = many(&format!("{all} -> "), 40);
            format!("{}edges:\n  - {chain}n0\n", nodes(3_000))
        }),
        ("thousands of unknown nodes", {
            let edges: Vec<String> = names(3_000).iter().map(|n| format!("  - {n} -> x{n}\n")).collect();
            format!("{}edges:\n{}", nodes(3_000), edges.concat())
        }),
        ("a loop around each", {
            let edges: Vec<String> = (1..3_000)
                .map(|i| format!("  - n{} -> n{i}\n  - {{from: n2999, to: n{i}, max_visits: 2}}\n", i - 1))
                .collect();
            format!("{}edges:\n{}", nodes(3_000), edges.concat())
        }),
        ("long name", format!("{}edges:\n  - n0 -> {}\n", nodes(2_000), "n".repeat(500_000))),
        ("a key of brackets", format!("name: bomb\n\"{}\": 1\n", many("[", 1_000_000))),
        ("a key of points", node(&format!("{{ {}: 1}}", many(".", 500_000)))),
        ("long keys", {
            let key = "k".repeat(100_000);
            format!("name: bomb\n{key}:\n  {key}: [{}]\n", many("1, ", 100_000))
        }),
        ("thousands of duplicates", format!("name: bomb\n{}", many("a:\n", 100_000))),
        ("a long list", format!("name: bomb\nnodes: [{}]", many("1,", 900_000))),
        ("more than there may be", format!("name: bomb\nnodes: [{}]", many("1,", 1_100_000))),
        ("deep lists", many("[", 100_000)),
        ("deep mappings", many("{a: ", 100_000)),
        ("deep blocks", (0..2_000).map(|i| format!("{}a:\n", " ".repeat(i))).collect()),
        ("deep dashes", many("- ", 100_000)),
        ("question marks", many("? ", 100_000)),
        ("minuses", node(&format!("{{set: {{n: '{}1'}}}}", many("-", 3_900)))),
        ("brackets", node(&format!("{{set: {{n: '{}1'}}}}", many("(", 3_900)))),
        ("tags", node(&format!("{{model: {{prompt: '{}'}}}}", many("{{n}}", 50_000)))),
        ("ifs", node(&format!("{{model: {{prompt: '{}'}}}}", many("{% if n %}", 20_000)))),
        ("elifs", node(&format!("{{model: {{prompt: '{{% if n %}}{}{{% endif %}}'}}}}", many("{% elif n %}", 20_000)))),
        ("wide text", node("{set: {n: \"'x' * 1000000000\"}}")),
        ("power", node("{set: {n: '9 ** 9 ** 9 ** 9'}}")),
        ("a schema of itself", "name: bomb\nchannels: {n: {schema: {$ref: '#'}, default: 1}}\nnodes: {a: {function: tidy}}\n".to_owned()),
        ("a schema that turns", "name: bomb\nchannels: {n: {schema: {$ref: '#/$defs/a', $defs: {a: {$ref: '#/$defs/b'}, b: {$ref: '#/$defs/a'}}}, default: 1}}\nnodes: {a: {function: tidy}}\n".to_owned()),
        ("a slow pattern", format!("name: bomb\nchannels: {{n: {{schema: {{pattern: '^(a|a)*(?=b)$'}}, default: '{}'}}}}\nnodes: {{a: {{function: tidy}}}}\n", many("a", 5_000))),
        ("a large pattern", "name: bomb\nchannels: {n: {schema: {pattern: '((a{1,1000}){1,1000}){1,1000}'}, default: 'a'}}\nnodes: {a: {function: tidy}}\n".to_owned()),
    ];
    for (bomb, text) in bombs {
        let start = Instant::now();
        let codes = compiles_or_says_why(&text);
        let took = start.elapsed();
        println!(
            "{bomb}: {} bytes, {:?} in {took:?}",
            text.len(),
            codes.first()
        );
        assert!(took < 10 * MOST_TIME, "{bomb} took {took:?}");
    }
}
