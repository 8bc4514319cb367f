//! `policy` and `audit` as a user types them, and secrets that nothing shows or keeps.

use std::path::Path;

use proptest::prelude::*;
use serde_json::{Value, json};

use crate::program::{Outcome, PROGRAM, Place};

/// Asks a server that nobody vouches for how it is: this program's own, as a stranger.
const LOOK: &str = "
name: look
channels: {found: any}
nodes:
  look: {tool: {name: other__status, arguments: {}}, writes: {found: result}}
";

const RULE: &str = "[[rule]]
name = \"status-is-free\"
server = \"other\"
tools = [\"status\"]
then = \"allow\"
why = \"It says nothing of the documents.\"

[[rule.example]]
server = \"other\"
tool = \"status\"
expect = \"allow\"
";

fn place() -> Place {
    let place = Place::new();
    let home = place.path().join("other");
    let program = json!(PROGRAM);
    let home = json!(home.display().to_string());
    let toml = format!(
        "[servers.other]\ncommand = {program}\nargs = [\"server\", \"vector\"]\nenv = {{ \
         ROPEWALK_HOME = {home} }}\n"
    );
    place.write("ropewalk.toml", toml);
    place.write("graphs/look.yaml", LOOK);
    let trusted = ran(&place, &["servers", "trust", "other"]);
    assert_eq!(trusted.code, Some(0), "{trusted:?}");
    place
}

/// The program for somebody with a home, in which it is kept what may be run.
fn ran(place: &Place, arguments: &[&str]) -> Outcome {
    let mut command = place.command(arguments);
    command.env("HOME", place.path().join("home"));
    Outcome::of(&command.output().unwrap())
}

fn first_run(place: &Place) -> String {
    let runs = place.json(&["runs", "list", "--json"]);
    runs["runs"][0]["run"].as_str().unwrap().to_owned()
}

#[test]
fn a_call_asks_is_approved_runs_and_is_in_the_audit_log() {
    let place = place();
    let outcome = ran(&place, &["run", "look"]);
    assert_eq!(outcome.code, Some(3), "{outcome:?}");
    assert!(
        outcome
            .err
            .contains("server `other` is new: its 6 tools are pinned"),
        "{outcome:?}"
    );
    assert!(
        outcome.err.contains("the default (ask): no rule allows it"),
        "{outcome:?}"
    );
    let run = first_run(&place);
    assert_eq!(ran(&place, &["runs", "approve", &run]).code, Some(0));
    let outcome = ran(&place, &["runs", "resume", &run]);
    assert_eq!(outcome.code, Some(0), "{outcome:?}");
    let listed = ran(&place, &["audit", "--run", &run]).out;
    assert!(
        listed.contains("runs     other.status {}  by a person"),
        "{listed}"
    );
    assert!(listed.contains("ended    other.status"), "{listed}");
    let denied = ran(&place, &["audit", "--denied"]);
    assert_eq!(denied.out, "");
    assert_eq!(
        ran(&place, &["audit", "--since", "2h", "--json"])
            .out
            .lines()
            .count(),
        2
    );
    assert_eq!(ran(&place, &["audit", "verify"]).code, Some(0));
    // A line that is changed is found.
    let log = place.path().join(".ropewalk/audit.jsonl");
    let text = std::fs::read_to_string(&log).unwrap();
    std::fs::write(&log, text.replacen("a person", "a parrot", 1)).unwrap();
    let verified = ran(&place, &["audit", "verify"]);
    assert_eq!(verified.code, Some(1), "{verified:?}");
    assert!(
        verified.out.contains("line 2: what stands before it"),
        "{verified:?}"
    );
    ran(&place, &["audit", "--since", "yesterday"]).failed_saying("is no moment");
}

#[test]
fn a_rule_lets_a_call_run_and_a_wrong_one_lets_nothing_run() {
    let place = place();
    place.write("policy/a.toml", RULE);
    let outcome = ran(&place, &["policy", "check"]);
    assert!(
        outcome.out.contains("policy/a.toml: 1 rules"),
        "{outcome:?}"
    );
    let outcome = ran(&place, &["run", "look"]);
    assert_eq!(outcome.code, Some(0), "{outcome:?}");
    let explained = ran(&place, &["policy", "explain", "other.status", "--json"]).out;
    let explained: Value = serde_json::from_str(&explained).unwrap();
    assert_eq!(explained["permission"], "allow");
    assert_eq!(
        explained["reasons"][0]["by"],
        "rule `status-is-free` of policy/a.toml"
    );
    let exposed = ["--untrusted", "web", "--private", "vector"];
    let arguments = [&["policy", "explain", "other.status"][..], &exposed].concat();
    let explained = ran(&place, &arguments);
    assert!(
        explained.out.starts_with("other.status: ask\n"),
        "{explained:?}"
    );
    assert!(
        explained.out.contains("the gate for private data (ask)"),
        "{explained:?}"
    );
    assert!(
        explained.out.contains("to allow it: run it at a terminal"),
        "{explained:?}"
    );
    ran(&place, &["policy", "explain", "other.nothing"]).failed_saying("offers no tool `nothing`");
    ran(&place, &["policy", "explain", "mail.send"]).failed_saying("servers: other, vector");

    let wrong = RULE.replace("expect = \"allow\"", "expect = \"deny\"");
    place.write("policy/b.toml", format!("\n{wrong}"));
    let outcome = ran(&place, &["policy", "check"]);
    assert_eq!(outcome.code, Some(1), "{outcome:?}");
    assert!(
        outcome
            .out
            .contains("policy/b.toml:3: rule `status-is-free`: example 1"),
        "{outcome:?}"
    );
    ran(&place, &["run", "look"]).failed_saying("policy/b.toml:3: ");
    place.write("ropewalk.toml", "[policy]\nfiles = [\"rules/none.toml\"]\n");
    ran(&place, &["policy", "check"]).failed_saying("rules/none.toml: there is no such file");
}

#[test]
fn a_changed_tool_is_held_back_until_it_is_approved() {
    let place = place();
    place.write("policy/a.toml", RULE);
    assert_eq!(ran(&place, &["run", "look"]).code, Some(0));
    let pinned = ran(&place, &["policy", "pins"]).out;
    assert!(pinned.contains("other.status  "), "{pinned}");
    // As if the server had said something else when it was approved.
    let folders = place.path().join("home/.local/state/ropewalk/pins");
    let mut folders = std::fs::read_dir(folders).unwrap();
    let file = folders.next().unwrap().unwrap().path().join("pins.json");
    let mut pins: Value = serde_json::from_str(&std::fs::read_to_string(&file).unwrap()).unwrap();
    pins["servers"]["other"]["status"]["description"] = json!("Says hello.");
    // What the folder brings along agrees to nothing.
    place.write(".ropewalk/pins.json", std::fs::read(&file).unwrap());
    std::fs::write(&file, pins.to_string()).unwrap();
    let outcome = ran(&place, &["run", "look"]);
    assert_eq!(outcome.code, Some(1), "{outcome:?}");
    assert!(
        outcome.err.contains("-   \"description\": \"Says hello.\""),
        "{outcome:?}"
    );
    assert!(
        outcome.err.contains("ropewalk policy approve other.status"),
        "{outcome:?}"
    );
    let approved = ran(&place, &["policy", "approve", "other.status"]);
    assert!(approved.out.contains("Says hello."), "{approved:?}");
    assert!(approved.err.contains("1 approved"), "{approved:?}");
    assert_eq!(ran(&place, &["run", "look"]).code, Some(0));
    let again = ran(&place, &["policy", "approve", "other"]);
    assert!(again.err.contains("nothing was held back"), "{again:?}");
    assert_eq!(ran(&place, &["policy", "forget", "other"]).code, Some(0));
    ran(&place, &["policy", "forget", "other"]).failed_saying("nothing of `other` is pinned");
    assert_eq!(ran(&place, &["policy", "pins"]).out, "");
}

/// What a person and a model say, and what stands in files: a secret may be in any of it.
const TALK: &str = "
name: talk
channels: {topic: string, draft: string, final: any}
input: [topic]
output: [final]
nodes:
  write: {model: {prompt: \"Write about {{ topic }}. Here: SECRET\"}, writes: draft}
  review: {human: {ask: \"Is {{ draft }} good?\", propose: draft}, writes: final}
edges: [write -> review]
";

/// Every file below a folder that holds the bytes.
fn holders(folder: &Path, secret: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(holders(&path, secret));
        } else {
            let bytes = std::fs::read(&path).unwrap();
            let holds = bytes
                .windows(secret.len())
                .any(|part| part == secret.as_bytes());
            found.extend(holds.then(|| path.display().to_string()));
        }
    }
    found
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3, max_shrink_iters: 0, ..ProptestConfig::default() })]

    #[test]
    fn a_secret_is_found_in_no_file_and_in_nothing_printed(secret in "[a-zA-Z0-9%+/ ]{10,30}[a-z]") {
        let secret = secret.trim().to_owned();
        let place = Place::new();
        place.write("graphs/talk.yaml", TALK.replace("SECRET", &secret));
        let replies = json!([{"text": format!("A text with {secret} in it."), "when": "Write about"}]);
        place.write("script.json", replies.to_string());
        let mut said = Vec::new();
        let mut run = |arguments: &[&str], expected: i32| {
            let mut command = place.command(arguments);
            let output = command
                .env("MY_API_TOKEN", &secret)
                .env("ROPEWALK_LOG", "trace")
                .output()
                .unwrap();
            let outcome = Outcome::of(&output);
            assert_eq!(outcome.code, Some(expected), "{arguments:?}: {outcome:?}");
            said.push((format!("{arguments:?}"), outcome.out.clone()));
            said.push((format!("{arguments:?}"), outcome.err.clone()));
            outcome
        };
        let topic = format!("topic={secret}");
        run(&["run", "talk", "-i", &topic, "--script", "script.json", "--json"], 3);
        let id = run(&["runs", "list", "--json"], 0).out;
        let id: Value = serde_json::from_str(&id).unwrap();
        let id = id["runs"][0]["run"].as_str().unwrap().to_owned();
        run(&["runs", "show", &id], 0);
        let answer = format!("Say {secret} instead.");
        run(&["runs", "answer", &id, &answer], 0);
        run(&["runs", "resume", &id, "--as-recorded", "--script", "script.json"], 0);
        run(&["runs", "show", &id, "--events"], 0);
        run(&["runs", "export", &id, "-o", "talk.jsonl"], 0);
        run(&["runs", "replay", "talk.jsonl"], 0);
        run(&["graph", "draw", "talk", "--run", &id, "--format", "svg", "-o", "talk.svg"], 0);
        run(&["graph", "draw", "talk"], 0);
        run(&["run", &secret], 1);
        for (what, text) in said {
            // The arguments are our own, and named in a message of the test only.
            assert!(!text.contains(&secret), "{what}: {text}");
        }
        let kept = holders(&place.path().join(".ropewalk"), &secret);
        prop_assert!(kept.is_empty(), "{kept:?}");
        for file in ["talk.jsonl", "talk.svg"] {
            let text = std::fs::read_to_string(place.path().join(file)).unwrap();
            prop_assert!(!text.contains(&secret), "{file}: {text}");
        }
        // A key by its form needs no variable.
        let key = format!("sk-{}", "b2".repeat(12));
        let topic = format!("topic={key}");
        let outcome = place.run(&["run", "talk", "-i", &topic, "--script", "script.json", "--json"]);
        prop_assert!(!outcome.out.contains(&key));
        prop_assert!(holders(&place.path().join(".ropewalk"), &key).is_empty());
    }
}
