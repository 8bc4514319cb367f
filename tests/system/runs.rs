//! `run`, `runs` and `graph` as a user types them: a process, its output, its exit code.

use std::io::{BufRead, BufReader};
use std::process::Stdio;
use std::time::Duration;

use serde_json::{Value, json};

use crate::program::{Outcome, Place};

const REVIEW: &str = "
name: review
channels: {topic: string, draft: string, final: string}
input: [topic]
output: [final]
nodes:
  write: {model: {prompt: \"Write about {{ topic }}\"}, writes: draft}
  review: {human: {ask: Is this good?, propose: draft, schema: {type: string, minLength: 3}}, writes: final}
edges: [write -> review]
";

const SCRIPT: &str = r#"[{"text": "A text about ropes.", "when": "Write about"}]"#;

fn place() -> Place {
    let place = Place::new();
    place.write("graphs/review.yaml", REVIEW);
    place.write("script.json", SCRIPT);
    place
}

fn begun(place: &Place) -> String {
    let outcome = place.run(&[
        "run",
        "review",
        "-i",
        "topic=ropes",
        "--script",
        "script.json",
    ]);
    assert_eq!(outcome.code, Some(3), "{outcome:?}");
    assert!(outcome.err.contains("review: Is this good?"), "{outcome:?}");
    let runs = place.json(&["runs", "list", "--json"]);
    runs["runs"][0]["run"].as_str().unwrap().to_owned()
}

fn resumed(place: &Place, run: &str) -> Outcome {
    place.run(&["runs", "resume", run, "--script", "script.json"])
}

#[test]
fn a_run_waits_for_an_answer_and_another_process_goes_on_with_it() {
    let place = place();
    let run = begun(&place);
    let shown = place.json(&["runs", "show", &run, "--json"]);
    assert_eq!(shown["state"], "suspended");
    assert_eq!(
        shown["questions"][0]["interrupt"]["proposal"],
        "A text about ropes."
    );
    let still = resumed(&place, &run);
    assert_eq!(still.code, Some(3), "{still:?}");

    let unfit = place.run(&["runs", "answer", &run, "--edit", "\"x\""]);
    assert_eq!(unfit.code, Some(1));
    assert!(unfit.err.contains("does not fit"), "{unfit:?}");
    assert_eq!(
        place
            .run(&["runs", "answer", &run, "--escalate", "the owner"])
            .code,
        Some(0)
    );
    assert_eq!(resumed(&place, &run).code, Some(3));
    let shown = place.run(&["runs", "show", &run]);
    assert!(shown.out.contains("asks (for the owner)"), "{shown:?}");

    assert_eq!(place.run(&["runs", "approve", &run]).code, Some(0));
    let done = resumed(&place, &run);
    assert_eq!(
        (done.code, done.out.trim()),
        (Some(0), "A text about ropes."),
        "{done:?}"
    );
    let again = resumed(&place, &run);
    assert_eq!(again.code, Some(1));
    assert!(again.err.contains("has completed"), "{again:?}");
    let tree = place.run(&["runs", "show", &run, "--tree"]);
    assert!(tree.out.contains("├─ node write model"), "{tree:?}");
    assert!(tree.out.contains("│  └─ model scripted"), "{tree:?}");
}

#[test]
fn events_are_lines_of_json() {
    let place = place();
    let arguments = [
        "run",
        "review",
        "-i",
        "topic=ropes",
        "--script",
        "script.json",
        "--json",
    ];
    let outcome = place.run(&arguments);
    let events: Vec<Value> = outcome
        .out
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let kinds: Vec<&str> = events
        .iter()
        .map(|it| it["event"].as_str().unwrap())
        .collect();
    assert_eq!(
        kinds,
        [
            "run_started",
            "node_started",
            "effect_started",
            "effect_ended",
            "node_ended",
            "node_started",
            "interrupt_raised",
            "suspended"
        ]
    );
    let run = events[0]["run"].as_str().unwrap();
    place.run(&["runs", "answer", run, "Another text."]);
    let outcome = place.run(&["runs", "resume", run, "--json", "--script", "script.json"]);
    let last: Value = serde_json::from_str(outcome.out.lines().last().unwrap()).unwrap();
    assert_eq!(last["outcome"]["outputs"]["final"], "Another text.");
    let stored = place.run(&["runs", "show", run, "--events"]).out;
    assert!(stored.lines().count() == 12, "{stored}");
}

#[test]
fn a_changed_graph_is_refused_where_the_run_has_been() {
    let place = place();
    let run = begun(&place);
    place.run(&["runs", "approve", &run]);
    place.write(
        "graphs/review.yaml",
        REVIEW.replace("Write about", "Write a poem about"),
    );
    let refused = resumed(&place, &run);
    assert_eq!(refused.code, Some(1));
    assert!(refused.err.contains("~ node write"), "{refused:?}");
    let recorded = place.run(&[
        "runs",
        "resume",
        &run,
        "--as-recorded",
        "--script",
        "script.json",
    ]);
    assert_eq!(recorded.code, Some(0), "{recorded:?}");
}

#[test]
fn an_exported_run_is_replayed_and_drift_is_shown() {
    let place = place();
    let run = begun(&place);
    place.run(&["runs", "approve", &run]);
    resumed(&place, &run);
    assert_eq!(
        place.run(&["runs", "export", &run, "-o", "run.jsonl"]).code,
        Some(0)
    );
    std::fs::remove_dir_all(place.path().join(".ropewalk")).unwrap();
    let replayed = place.run(&["runs", "replay", "run.jsonl"]);
    assert_eq!(
        (replayed.code, replayed.out.trim()),
        (Some(0), "A text about ropes.")
    );
    place.write(
        "graphs/review.yaml",
        REVIEW.replace("Write about", "Write a poem about"),
    );
    let drifted = place.run(&["runs", "replay", "run.jsonl", "--graph", "review"]);
    assert_eq!(drifted.code, Some(1));
    assert!(
        drifted
            .err
            .contains("+      \"text\": \"Write a poem about ropes\""),
        "{drifted:?}"
    );
    place.write("broken.jsonl", "{\"not\": \"an event\"}\n");
    let broken = place.run(&["runs", "replay", "broken.jsonl"]);
    assert!(broken.err.contains("line 1 is no event"), "{broken:?}");
}

#[test]
fn a_fork_goes_its_own_way_and_runs_are_removed() {
    let place = place();
    let run = begun(&place);
    let forked = place.json(&["runs", "fork", &run, "--at", "5", "--json"]);
    let fork = forked["run"].as_str().unwrap();
    assert_eq!(resumed(&place, fork).code, Some(3));
    place.run(&["runs", "answer", fork, "Of the fork."]);
    assert_eq!(resumed(&place, fork).out.trim(), "Of the fork.");
    assert_eq!(place.run(&["runs", "rm", &run]).code, Some(0));
    let left = place.json(&["runs", "list", "--json"]);
    assert_eq!(left["runs"].as_array().unwrap().len(), 1);
    assert_eq!(place.run(&["runs", "show", fork]).code, Some(0));
    let gone = place.run(&["runs", "show", &run]);
    assert!(
        gone.code == Some(1) && gone.err.contains("there is no run"),
        "{gone:?}"
    );
    assert_eq!(
        place.run(&["runs", "rm", "--older-than", "0"]).code,
        Some(0)
    );
    assert_eq!(place.json(&["runs", "list", "--json"])["runs"], json!([]));
}

#[test]
fn a_graph_is_checked_before_it_runs() {
    let place = place();
    assert_eq!(place.run(&["graph", "check", "review"]).code, Some(0));
    place.write("bad.yaml", REVIEW.replace("writes: draft", "writes: drafd"));
    let checked = place.run(&["graph", "check", "bad.yaml"]);
    assert_eq!(checked.code, Some(1));
    assert!(
        checked.out.contains("bad.yaml:7:") && checked.out.contains("^"),
        "{checked:?}"
    );
    let outcome = place.run(&["graph", "check", "bad.yaml", "--json"]);
    let report: Value = serde_json::from_str(&outcome.out).unwrap();
    assert_eq!(outcome.code, Some(1));
    assert_eq!(report["sound"], false);
    assert_eq!(report["diagnostics"][0]["line"], 7);
    let ran = place.run(&["run", "bad.yaml", "-i", "topic=ropes"]);
    assert!(ran.code == Some(1) && ran.err.contains("RW"), "{ran:?}");
}

#[test]
fn a_graph_is_drawn_and_a_run_over_it() {
    let place = place();
    let mermaid = place.run(&["graph", "draw", "review"]);
    assert_eq!(mermaid.code, Some(0));
    assert!(mermaid.out.starts_with("flowchart TD"), "{mermaid:?}");
    let dot = place.run(&["graph", "draw", "review", "--format", "dot"]);
    assert!(dot.out.starts_with("digraph"), "{dot:?}");
    let run = begun(&place);
    let arguments = [
        "graph", "draw", "--run", &run, "--format", "svg", "-o", "run.svg",
    ];
    assert_eq!(place.run(&arguments).code, Some(0));
    let svg = std::fs::read_to_string(place.path().join("run.svg")).unwrap();
    let state = |node: &str, state: &str| {
        svg.lines()
            .any(|line| line.contains(&format!("data-path=\"{node}\"")) && line.contains(state))
    };
    assert!(
        state("write", "done") && state("review", "running"),
        "{svg}"
    );
}

/// Names of tools are checked against the servers there are.
#[test]
fn a_tool_that_does_not_exist_is_a_mistake_of_the_graph() {
    let place = place();
    let text = "name: t\nchannels: {found: object}\nnodes:\n  find: {tool: {name: NAME, \
                arguments: ARGUMENTS}, writes: {found: result}}\n";
    for (name, arguments, code) in [
        ("vector__status", "{}", None),
        ("vector__statsu", "{}", Some("RW009")),
        ("vector__search", "{qury: x}", Some("RW032")),
    ] {
        let text = text.replace("NAME", name).replace("ARGUMENTS", arguments);
        place.write("tool.yaml", text);
        let checked = place.run(&["graph", "check", "tool.yaml"]);
        assert_eq!(checked.code, Some(i32::from(code.is_some())), "{checked:?}");
        assert!(
            checked.out.contains(code.unwrap_or_default()),
            "{checked:?}"
        );
        let unchecked = place.run(&["graph", "check", "tool.yaml", "--no-tools"]);
        assert_eq!(unchecked.code, Some(0), "{unchecked:?}");
    }
}

#[test]
fn bad_input_is_named_and_leaves_nothing_behind() {
    let place = place();
    for (arguments, told) in [
        (&["run", "nowhere.yaml"][..], "nowhere.yaml"),
        (&["run", "nothing"], "assistant"),
        (&["run", "review"], "`topic` is missing"),
        (&["run", "review", "-i", "topic"], "write NAME=VALUE"),
        (
            &["run", "review", "-i", "topic=x", "-i", "no=1"],
            "`no` is none of its inputs",
        ),
        (
            &["run", "review", "-i", "topic=@missing.txt"],
            "missing.txt",
        ),
        (
            &["run", "review", "--input", "missing.json"],
            "missing.json",
        ),
        (&["runs", "show", "xyz"], "not the name of a run"),
        (
            &["runs", "show", "01M7YP5N71Q8P66SYFGNTYVV77"],
            "there is no run",
        ),
        (
            &["runs", "resume", "01M7YP5N71Q8P66SYFGNTYVV77"],
            "there is no run",
        ),
        (
            &["runs", "approve", "01M7YP5N71Q8P66SYFGNTYVV77"],
            "there is no run",
        ),
        (&["graph", "check", "."], "no such file"),
    ] {
        let mut all = arguments.to_vec();
        if arguments[0] == "run" {
            all.extend(["--script", "script.json"]);
        }
        let outcome = place.run(&all);
        assert_eq!(outcome.code, Some(1), "{arguments:?}: {outcome:?}");
        assert!(outcome.err.contains(told), "{arguments:?}: {outcome:?}");
    }
    assert_eq!(place.json(&["runs", "list", "--json"])["runs"], json!([]));
    place.write("rust.yaml", "name: r\nnodes: {a: {function: mine}}\n");
    let outcome = place.run(&["run", "rust.yaml"]);
    assert!(
        outcome.code == Some(1) && outcome.err.contains("RW012"),
        "{outcome:?}"
    );
    place.write(
        ".ropewalk/runs.db",
        "no database, whatever its name says ".repeat(200),
    );
    let outcome = place.run(&["runs", "list"]);
    assert!(
        outcome.code == Some(1) && outcome.err.contains("move the file away"),
        "{outcome:?}"
    );
}

/// The first Ctrl-C suspends the run; what had been done is not done again.
#[cfg(unix)]
#[test]
fn ctrl_c_suspends_and_resuming_goes_on() {
    let place = place();
    // An endpoint that never answers keeps the second node at work.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    place.write(
        "ropewalk.toml",
        format!("[engine]\nkind = \"openai\"\nbase_url = \"http://127.0.0.1:{port}/v1\"\nmodel = \"m\"\n"),
    );
    place.write(
        "two.yaml",
        "name: two\nchannels: {a: integer, b: string}\nnodes:\n  first: {set: {a: '1'}}\n  \
         second: {model: {prompt: Write about it}, writes: b}\nedges: [first -> second]\n",
    );
    let mut child = place
        .command(&["run", "two.yaml", "--json"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut run = String::new();
    for line in lines.by_ref() {
        let event: Value = serde_json::from_str(&line.unwrap()).unwrap();
        event["run"].as_str().unwrap().clone_into(&mut run);
        if event["event"] == "effect_started" {
            break;
        }
    }
    // The request is on its way.
    let (_connection, _) = listener.accept().unwrap();
    std::thread::sleep(Duration::from_millis(50));
    let killed = std::process::Command::new("kill")
        .args(["-INT", &child.id().to_string()])
        .status()
        .unwrap();
    assert!(killed.success());
    let rest: Vec<String> = lines.map_while(Result::ok).collect();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130), "{output:?}");
    assert!(
        rest.last().unwrap().contains("\"event\":\"suspended\""),
        "{rest:?}"
    );
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        told.contains(&format!("ropewalk runs resume {run}")),
        "{told}"
    );
    let outcome = place.run(&[
        "runs",
        "resume",
        &run,
        "--graph",
        "two.yaml",
        "--script",
        "script.json",
    ]);
    assert_eq!(outcome.code, Some(0), "{outcome:?}");
    let events = place.run(&["runs", "show", &run, "--events"]).out;
    let ends = events
        .lines()
        .filter(|line| line.contains("\"path\":\"first\""));
    assert_eq!(ends.count(), 1, "{events}");
}

/// The pages about runs and pictures, as somebody reads them: every command in its order. `RUN` is
/// the run that was made last.
#[test]
fn the_pages_about_runs_are_true() {
    let runs = include_str!("../../docs/runs.md");
    let page = &format!("{runs}{}", include_str!("../../docs/drawing.md"));
    let place = Place::new();
    let graph = page
        .split("```yaml\n")
        .nth(1)
        .unwrap()
        .split("```")
        .next()
        .unwrap();
    place.write("graphs/review.yaml", graph);
    place.write(
        "script.json",
        r#"[{"text": "Ropes are long.", "when": "short text"}]"#,
    );
    let blocks = page.split("```console\n").skip(1);
    let lines = blocks.flat_map(|block| block.split("```").next().unwrap().lines());
    let commands: Vec<&str> = lines
        .filter_map(|line| line.strip_prefix("$ ropewalk "))
        .collect();
    assert!(commands.len() > 15, "{commands:?}");
    for command in commands {
        let runs = place.json(&["runs", "list", "--json"]);
        if runs["runs"] == json!([]) && command.contains("RUN") {
            // The last page removed them.
            place.run(&["run", "review", "-i", "topic=x", "--script", "script.json"]);
        }
        let runs = place.json(&["runs", "list", "--json"]);
        let latest = runs["runs"][0]["run"].as_str().unwrap_or("RUN");
        let text = command.replace("RUN", latest);
        let plain = text.replace('\'', "");
        let mut arguments: Vec<&str> = plain.split_whitespace().collect();
        // An answer in quotes is one argument.
        if let Some((before, answer)) = plain.split_once("--edit ") {
            arguments = before.split_whitespace().collect();
            arguments.extend(["--edit", answer]);
        }
        if matches!(arguments[..2], ["run", _] | ["runs", "resume"]) {
            arguments.extend(["--script", "script.json"]);
        }
        let outcome = place.run(&arguments);
        assert!(
            matches!(outcome.code, Some(0 | 3)),
            "{command}: {outcome:?}"
        );
    }
}
