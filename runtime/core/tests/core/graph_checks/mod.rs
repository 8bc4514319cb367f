//! Every code of a diagnostic: a graph that has that mistake, at its place, and the same graph
//! with the mistake mended.

pub mod cases;
pub mod library;
mod page;

use cases::cases;
use ropewalk_core::graph::compile_text;
use ropewalk_core::graph::diagnostic::{Code, Diagnostic, Severity};

fn diagnostics(text: &str) -> Vec<Diagnostic> {
    let compiled = compile_text("bad.yaml", text, &library::Shelf);
    let errors = compiled
        .diagnostics
        .iter()
        .any(|problem| problem.severity == Severity::Error);
    assert_eq!(compiled.graph.is_none(), errors, "{text}");
    compiled.diagnostics
}

fn said(problems: &[Diagnostic]) -> String {
    let texts: Vec<String> = problems.iter().map(ToString::to_string).collect();
    texts.join("\n")
}

#[test]
fn every_mistake_is_found_at_its_place() {
    let mut wrong = Vec::new();
    for case in cases() {
        let (line, column, text) = case.marked();
        let problems = diagnostics(&text);
        let said = said(&problems);
        let exactly = problems
            .iter()
            .all(|problem| (problem.code, problem.severity) == (case.code, case.severity));
        let place = problems.first().and_then(|problem| problem.span);
        let place = place.map(|span| (span.line, span.column));
        if problems.is_empty() || !exactly || place != Some((line, column)) {
            wrong.push(format!(
                "{} at {line}:{column}, not\n{said}\nin\n{text}",
                case.code
            ));
            continue;
        }
        let source = text.lines().nth(line - 1).unwrap();
        let caret = format!(" | {}^", " ".repeat(column - 1));
        let shown = problems[0].to_string();
        if !shown.contains(&format!(" {line} | {source}\n")) || !shown.contains(&caret) {
            wrong.push(format!("{}: no line or no mark in\n{shown}", case.code));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

#[test]
fn the_same_graph_without_the_mistake_is_good() {
    let mut wrong = Vec::new();
    for case in cases() {
        let mended = case.mended();
        let problems = diagnostics(&mended);
        if !problems.is_empty() {
            wrong.push(format!("{}:\n{}\nin\n{mended}", case.code, said(&problems)));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

#[test]
fn every_code_has_a_case() {
    for code in Code::ALL {
        assert!(cases().any(|case| case.code == code), "{code} has no case");
    }
}

/// Mistakes of one graph come errors first, then in the order of the file.
#[test]
fn several_mistakes_are_told_at_once_and_in_order() {
    let text = "name: many\nchannels: {n: integer, t: string}\ninput: [n]\nnodes:\n  \
                a: {set: {m: n}}\n  b: {agent: {name: nobody, prompt: 'x'}}\n  \
                c: {tool: kit__sarch}\nedges:\n  - a -> b -> d\n";
    let codes: Vec<String> = diagnostics(text)
        .iter()
        .map(|problem| format!("{}:{}", problem.span.unwrap().line, problem.code))
        .collect();
    assert_eq!(codes, ["5:RW025", "6:RW008", "7:RW009", "9:RW006"]);
}

/// What a subgraph does wrong is told with its own file and line.
#[test]
fn mistakes_of_a_subgraph_name_its_file() {
    let problems = diagnostics("name: outer\nnodes:\n  inner: {graph: broken}\n");
    let places: Vec<(Code, &str, usize)> = problems
        .iter()
        .map(|problem| {
            let file = problem.file.as_deref().unwrap();
            (problem.code, file, problem.span.unwrap().line)
        })
        .collect();
    assert!(
        places.contains(&(Code::UnknownNode, "graphs/broken.yaml", 5)),
        "{places:?}"
    );
    assert!(
        places.contains(&(Code::UnknownGraph, "bad.yaml", 3)),
        "{places:?}"
    );
}

#[test]
fn names_that_are_meant_are_named() {
    let text = "name: a\nnodes:\n  a: {tool: kit__serch}\n";
    assert!(said(&diagnostics(text)).contains("help: there are: kit__search, kit__note"));
}

#[test]
fn graphs_that_contain_each_other_are_found() {
    let problems = diagnostics("name: outer\nnodes:\n  left: {graph: left}\n");
    let first = problems
        .iter()
        .find(|problem| problem.code == Code::Recursion)
        .expect("a recursion");
    assert_eq!(first.file.as_deref(), Some("graphs/right.yaml"));
    assert_eq!(
        first.span.map(|span| (span.line, span.column)),
        Some((3, 17))
    );
}
