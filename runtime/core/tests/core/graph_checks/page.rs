//! `docs/checks.md` explains every code, and its bad examples are bad.

use std::path::Path;

use ropewalk_core::graph::diagnostic::Code;

use super::diagnostics;

/// Sections of the page: heading and text.
fn sections() -> Vec<(String, String)> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/checks.md");
    let page = std::fs::read_to_string(path).unwrap();
    page.split("\n## ")
        .skip(1)
        .map(|section| {
            let (heading, text) = section.split_once('\n').unwrap();
            (heading.to_owned(), text.to_owned())
        })
        .collect()
}

fn of(code: Code) -> String {
    let sections = sections();
    let mut found = sections
        .iter()
        .filter(|(heading, _)| heading.starts_with(&format!("{code}: ")));
    let (_, text) = found
        .next()
        .unwrap_or_else(|| panic!("{code} has no section"));
    assert!(found.next().is_none(), "{code} has two sections");
    text.clone()
}

fn blocks(text: &str) -> Vec<&str> {
    let starts = text.split("```yaml\n").skip(1);
    starts
        .map(|rest| rest.split("```").next().unwrap())
        .collect()
}

#[test]
fn the_page_has_a_section_for_every_code_in_order() {
    let codes: Vec<String> = sections()
        .iter()
        .map(|(heading, _)| heading.split(':').next().unwrap().to_owned())
        .filter(|code| code.starts_with("RW"))
        .collect();
    let all: Vec<String> = Code::ALL.iter().map(ToString::to_string).collect();
    assert_eq!(codes, all);
}

#[test]
fn every_example_has_the_mistake_of_its_section_and_no_other() {
    for code in Code::ALL {
        let text = of(code);
        let blocks = blocks(&text);
        assert!(!blocks.is_empty(), "{code} has no example");
        for block in blocks {
            let problems = diagnostics(block);
            let found: Vec<Code> = problems.iter().map(|problem| problem.code).collect();
            assert!(found.contains(&code), "{code}: {found:?} in\n{block}");
            assert!(
                found.iter().all(|found| *found == code),
                "{code}: {found:?} in\n{block}"
            );
        }
    }
}
