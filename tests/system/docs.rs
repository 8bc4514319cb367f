//! Every command and every configuration shown in the documentation works.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::program::{Outcome, PROGRAM, Place};

fn pages() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut pages = vec![root.join("README.md")];
    for folder in ["docs", "docs/decisions"] {
        let entries = std::fs::read_dir(root.join(folder)).unwrap();
        let paths = entries.map(|entry| entry.unwrap().path());
        pages.extend(paths.filter(|path| path.extension().is_some_and(|ending| ending == "md")));
    }
    pages.sort();
    pages
}

/// The code blocks of a language, with the page they are on.
fn blocks(language: &str) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    for page in pages() {
        let text = std::fs::read_to_string(&page).unwrap();
        for block in text.split(&format!("```{language}\n")).skip(1) {
            found.push((page.clone(), block.split("```").next().unwrap().to_owned()));
        }
    }
    found
}

/// The database of the examples.
fn sales(path: &Path) {
    let tables = "CREATE TABLE customer (id INTEGER PRIMARY KEY, name TEXT, region TEXT);
        CREATE TABLE sale (id INTEGER PRIMARY KEY, customer_id INT REFERENCES customer (id),
            amount REAL, returned INT);
        INSERT INTO customer VALUES (1, 'Ada', 'north'), (2, 'Grace', 'south');
        INSERT INTO sale VALUES (1, 1, 20.5, 0), (2, 2, 4, 1);";
    let database = rusqlite::Connection::open(path).unwrap();
    database.execute_batch(tables).unwrap();
}

#[test]
fn every_command_runs() {
    let place = Place::acquainted();
    for folder in ["handbook", "my-folder"] {
        let text = "# Refunds\n\nRefunds take ten days. The refund period is 30 days.\n";
        place.write(&format!("{folder}/refunds.md"), text);
    }
    sales(&place.path().join("sales.db"));
    let programs = Path::new(PROGRAM).parent().unwrap().display().to_string();
    let path = format!("{programs}:{}", std::env::var("PATH").unwrap());
    let mut ran = 0;
    for (page, block) in blocks("sh") {
        for line in block.lines().filter(|line| line.starts_with("ropewalk ")) {
            ran += 1;
            let mut command = Command::new("sh");
            command
                .args(["-c", &format!("exec {line}")])
                .current_dir(place.path());
            command.env("PATH", &path).stdin(Stdio::null());
            if line.contains("--http") {
                let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
                let mut said = String::new();
                let mut stderr = BufReader::new(child.stderr.take().unwrap());
                stderr.read_line(&mut said).unwrap();
                child.kill().unwrap();
                child.wait().unwrap();
                assert!(
                    said.contains("listening on http://"),
                    "{page:?}: {line}: {said}"
                );
            } else {
                let outcome = Outcome::of(&command.output().unwrap());
                assert_eq!(outcome.code, Some(0), "{page:?}: {line}: {outcome:?}");
            }
        }
    }
    assert!(ran > 5, "only {ran} commands were found");
}

#[test]
fn every_configuration_is_accepted() {
    for (page, block) in blocks("toml") {
        let place = Place::new();
        if block.contains("[[rule]]") {
            place.write("policy/rules.toml", &block);
            let outcome = place.run(&["policy", "check"]);
            assert_eq!(outcome.code, Some(0), "{page:?}: {block}: {outcome:?}");
            continue;
        }
        place.write("ropewalk.toml", &block);
        let outcome = place.run(&["doctor"]);
        assert!(
            outcome.out.contains("ok     configuration"),
            "{page:?}: {block}: {outcome:?}"
        );
    }
    for (page, block) in blocks("json")
        .into_iter()
        .filter(|(_, block)| block.contains("mcpServers"))
    {
        let place = Place::new();
        place.write(".mcp.json", &block);
        let outcome = place.run(&["doctor"]);
        assert!(
            outcome.out.contains("ok     configuration"),
            "{page:?}: {block}: {outcome:?}"
        );
    }
}

#[test]
fn every_link_between_pages_leads_somewhere() {
    for page in pages() {
        let text = std::fs::read_to_string(&page).unwrap();
        for link in text
            .split("](")
            .skip(1)
            .map(|rest| rest.split(')').next().unwrap())
        {
            if !link.contains("://") && !link.starts_with('#') {
                let target = page.parent().unwrap().join(link.split('#').next().unwrap());
                assert!(
                    target.exists(),
                    "{page:?} links to {link}, which is not there"
                );
            }
        }
    }
}
