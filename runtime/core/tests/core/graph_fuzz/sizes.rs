//! Large graphs compile, and in a time a person does not notice. With `--release --nocapture`
//! the times are shown; nothing is asserted of them, since machines differ.

use std::fmt::Write as _;
use std::time::Instant;

use ropewalk_core::graph::compile_text;
use ropewalk_core::graph::library::Empty;

fn compiles(shape: &str, text: &str) {
    let start = Instant::now();
    let compiled = compile_text("large.yaml", text, &Empty);
    let took = start.elapsed();
    let nodes = compiled
        .graph
        .as_ref()
        .map(|graph| graph.flow().node_count());
    println!(
        "{shape}: {nodes:?} nodes, {} KB in {took:?}",
        text.len() / 1024
    );
    let first = compiled.diagnostics.first().map(ToString::to_string);
    assert!(compiled.graph.is_some(), "{shape}: {first:?}");
}

/// Nodes that count and write one channel of their own, or one of all.
fn head(names: impl Iterator<Item = String>, set: impl Fn(&str) -> String) -> String {
    let mut text =
        "name: large\nchannels: {n: {type: integer, default: 0}, log: {reducer: append}, \
                    last: {type: string, default: ''}}\nnodes:\n"
            .to_owned();
    for name in names {
        writeln!(text, "  {name}: {{set: {{{}}}}}", set(&name)).unwrap();
    }
    text.push_str("edges:\n");
    text
}

#[test]
fn a_chain() {
    let mut text = head((0..10_000).map(|i| format!("n{i}")), |_| {
        "n: n + 1".to_owned()
    });
    for i in 1..10_000 {
        writeln!(text, "  - n{} -> n{i}", i - 1).unwrap();
    }
    compiles("chain", &text);
}

#[test]
fn a_lattice() {
    let names = (0..10_000).map(|i| format!("n{}_{}", i / 100, i % 100));
    let mut text = head(names, |name| format!("log: \"'{name}'\""));
    for row in 0..100 {
        for column in 0..100 {
            if row < 99 {
                writeln!(text, "  - n{row}_{column} -> n{}_{column}", row + 1).unwrap();
            }
            if column < 99 {
                writeln!(text, "  - n{row}_{column} -> n{row}_{}", column + 1).unwrap();
            }
        }
    }
    compiles("lattice", &text);
}

#[test]
fn a_fan() {
    let middle: Vec<String> = (0..9_998).map(|i| format!("m{i}")).collect();
    let names = ["first", "last"].map(str::to_owned).into_iter();
    let mut text = head(names.chain(middle.iter().cloned()), |name| {
        format!("log: \"'{name}'\"")
    });
    writeln!(text, "  - first -> {} -> last", middle.join(", ")).unwrap();
    compiles("fan", &text);
}

/// Every rung chooses between an answer and the next rung.
fn ladder(rungs: usize, join: bool) -> String {
    let names = (0..rungs).flat_map(|i| [format!("s{i}"), format!("a{i}")]);
    let last = ["end".to_owned()].into_iter();
    let mut text = head(names.chain(last), |name| {
        if name.starts_with('s') {
            "n: n + 1".to_owned()
        } else {
            format!("last: \"'{name}'\"")
        }
    });
    for i in 0..rungs {
        let next = if i + 1 < rungs {
            format!("s{}", i + 1)
        } else {
            "end".to_owned()
        };
        writeln!(
            text,
            "  - {{from: s{i}, switch: n, cases: {{x: a{i}}}, else: {next}}}"
        )
        .unwrap();
        if join {
            writeln!(text, "  - a{i} -> end").unwrap();
        }
    }
    text
}

#[test]
fn a_ladder_of_switches() {
    compiles("ladder", &ladder(5_000, false));
    compiles("ladder with a common end", &ladder(5_000, true));
}

/// Each answer joins the ladder's later part again.
#[test]
fn a_row_of_choices() {
    let names = (0..3_333).flat_map(|i| [format!("s{i}"), format!("a{i}"), format!("b{i}")]);
    let mut text = head(names, |name| match name.starts_with('s') {
        true => "n: n + 1".to_owned(),
        false => format!("last: \"'{name}'\""),
    });
    for i in 0..3_333 {
        writeln!(
            text,
            "  - {{from: s{i}, switch: n, cases: {{x: a{i}}}, else: b{i}}}"
        )
        .unwrap();
        if i < 3_332 {
            writeln!(text, "  - a{i}, b{i} -> s{}", i + 1).unwrap();
        }
    }
    compiles("row of choices", &text);
}

#[test]
fn a_wide_switch() {
    let cases: Vec<String> = (0..9_998).map(|i| format!("c{i}: c{i}")).collect();
    let names = (0..9_998).map(|i| format!("c{i}"));
    let ends = ["first", "end"].map(str::to_owned).into_iter();
    let mut text = head(names.chain(ends), |name| match name {
        "first" => "n: n + 1".to_owned(),
        _ => format!("last: \"'{name}'\""),
    });
    writeln!(
        text,
        "  - {{from: first, switch: n, cases: {{{}}}}}",
        cases.join(", ")
    )
    .unwrap();
    for i in 0..9_998 {
        writeln!(text, "  - c{i} -> end").unwrap();
    }
    compiles("wide switch", &text);
}

/// Loops of ten nodes, ten of them in a loop, ten of those in a loop, and so on.
#[test]
fn nested_loops() {
    let names = (0..10_000).map(|i| format!("n{i}"));
    let mut text = head(names, |_| "n: n + 1".to_owned());
    for i in 1..10_000 {
        writeln!(text, "  - n{} -> n{i}", i - 1).unwrap();
    }
    for size in [10, 100, 1_000, 10_000] {
        for start in (0..10_000).step_by(size) {
            let last = start + size - 1;
            writeln!(
                text,
                "  - {{from: n{last}, to: n{start}, when: n < 5, max_visits: 3}}"
            )
            .unwrap();
        }
    }
    compiles("nested loops", &text);
}

#[test]
fn many_loops() {
    let names = (0..10_000).map(|i| format!("n{i}"));
    let mut text = head(names, |_| "n: n + 1".to_owned());
    for i in 1..10_000 {
        writeln!(text, "  - n{} -> n{i}", i - 1).unwrap();
    }
    for start in (0..10_000).step_by(2) {
        writeln!(
            text,
            "  - {{from: n{}, to: n{start}, when: n < 5, max_visits: 3}}",
            start + 1
        )
        .unwrap();
    }
    compiles("many loops", &text);
}
