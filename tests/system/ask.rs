//! `ropewalk ask`: the main job, offline, as a newcomer runs it.

use serde_json::{Value, json};

use crate::program::{Outcome, Place, first_answer};

fn shop() -> Place {
    let place = Place::new();
    place.write(
        "shop/refunds.md",
        "# Refund policy\n\nCustomers may return any rope within 30 days for a full refund. \
         Cut rope cannot be returned.\n\n## Shipping\n\nWe ship on weekdays before noon.\n",
    );
    place.write(
        "shop/hours.txt",
        "The shop opens at nine and closes at six.\n\nClosed on Sunday.\n",
    );
    place.write(
        "shop/prices.csv",
        "item,price\nhemp rope,12 euros\nsteel cable,40 euros\n",
    );
    place.write(
        "shop/staff.json",
        r#"[{"name": "Ada Lind", "role": "head rope maker"}]"#,
    );
    place.write(
        "shop/page.html",
        "<h1>Workshops</h1><p>The splicing workshop lasts two hours.</p>",
    );
    place
}

fn cited(answer: &Value) -> Vec<&str> {
    answer["citations"]
        .as_array()
        .unwrap()
        .iter()
        .map(|c| c["source"].as_str().unwrap())
        .collect()
}

#[test]
fn the_first_command_answers_from_the_programs_own_documentation() {
    let answer = first_answer();
    assert_eq!(answer["abstained"], false, "{answer}");
    assert_eq!(answer["engine"], "extractive");
    assert!(
        answer["answer"].as_str().unwrap().contains("--docs"),
        "{answer}"
    );
    assert!(!cited(answer).is_empty());
    for citation in answer["citations"].as_array().unwrap() {
        let marker = format!("[{}]", citation["id"].as_str().unwrap());
        assert!(
            answer["answer"].as_str().unwrap().contains(&marker),
            "{answer}"
        );
        assert!(!citation["quote"].as_str().unwrap().is_empty());
        assert!(citation["score"].as_f64().unwrap() > 0.0);
    }
    assert!(answer["run"].is_string() && answer["steps"].as_array().unwrap().len() >= 3);
}

#[test]
fn a_folder_of_mixed_formats_is_answered_from_and_foreign_questions_are_not() {
    let place = shop();
    for (question, source, words) in [
        (
            "How long do customers have to return a rope?",
            "shop/refunds.md",
            "30 days",
        ),
        ("When does the shop open?", "shop/hours.txt", "nine"),
        (
            "What is the price of steel cable?",
            "shop/prices.csv",
            "40 euros",
        ),
        ("Who is the head rope maker?", "shop/staff.json", "Ada Lind"),
        (
            "How long does the splicing workshop last?",
            "shop/page.html",
            "two hours",
        ),
    ] {
        let answer = place.json(&["ask", question, "--docs", "shop", "--json"]);
        assert_eq!(answer["abstained"], false, "{question}: {answer}");
        assert!(
            answer["answer"].as_str().unwrap().contains(words),
            "{question}: {answer}"
        );
        assert!(cited(&answer).contains(&source), "{question}: {answer}");
    }
    for question in [
        "What is the capital of Mongolia?",
        "How do stars form in a nebula?",
    ] {
        let answer = place.json(&["ask", question, "--docs", "shop", "--json"]);
        assert_eq!(answer["abstained"], true, "{question}: {answer}");
        assert!(
            answer["answer"]
                .as_str()
                .unwrap()
                .starts_with("I found nothing"),
            "{answer}"
        );
    }
}

#[test]
fn people_get_text_with_sources_and_the_trace_on_standard_error() {
    let place = shop();
    let question = "How long do customers have to return a rope?";
    let outcome = place.run(&["ask", question, "--docs", "shop", "--trace"]);
    assert_eq!(outcome.code, Some(0), "{outcome:?}");
    assert!(outcome.out.contains("Sources:") && outcome.out.contains("shop/refunds.md"));
    assert!(outcome.err.contains("tool vector__search"), "{outcome:?}");
}

#[test]
fn bad_input_is_named_and_fails() {
    let place = shop();
    place
        .run(&["ask", "x", "--docs", "nowhere"])
        .failed_saying("nowhere: there is no such file");
    std::fs::create_dir(place.path().join("empty")).unwrap();
    place
        .run(&["ask", "x", "--docs", "empty"])
        .failed_saying("holds no file that can be read");
    place.write("bad/image.md", b"\x89PNG\r\n\x1a\n\0\0\0");
    place
        .run(&["ask", "x", "--docs", "bad"])
        .failed_saying("binary file (a PNG image)");
    place
        .run(&["ask", " "])
        .failed_saying("the question is empty");
    place
        .run(&["ask", "x", "--collection", "none"])
        .failed_saying("no collection `none`");
    place.write(
        "ropewalk.toml",
        "[engine]\nkind = \"extractive\"\nmodle = \"x\"\n",
    );
    let broken = place.run(&["ask", "x", "--docs", "shop"]);
    broken.failed_saying("ropewalk.toml");
    assert!(
        broken.err.contains("line 3") || broken.err.contains("modle"),
        "{broken:?}"
    );
    place.write("ropewalk.toml", "[engine\n");
    place
        .run(&["ask", "x", "--docs", "shop"])
        .failed_saying("line 1, column 8");
    let usage = place.run(&["ask"]);
    assert_eq!(usage.code, Some(2), "{usage:?}");
}

#[test]
fn a_server_that_does_not_start_is_left_out_and_the_answer_comes_all_the_same() {
    let place = shop();
    let servers = r#"{"mcpServers": {
        "gone": {"command": "no-such-program"},
        "loud": {"command": "sh", "args": ["-c", "echo I am not a server; sleep 20"]}
    }}"#;
    place.write(".mcp.json", servers);
    let question = "How long do customers have to return a rope?";
    let outcome = place.run(&["ask", question, "--docs", "shop"]);
    assert_eq!(outcome.code, Some(0), "{outcome:?}");
    assert!(
        outcome.err.contains("ropewalk servers trust gone"),
        "nobody agreed to run them: {outcome:?}"
    );
    let outcome = place.run(&["ask", question, "--docs", "shop", "--yes"]);
    assert_eq!(outcome.code, Some(0), "{outcome:?}");
    assert!(
        outcome
            .err
            .contains("there is no program `no-such-program`"),
        "{outcome:?}"
    );
    assert!(outcome.err.contains("I am not a server"), "{outcome:?}");
    assert!(outcome.out.contains("30 days"));
}

#[test]
fn a_program_runs_once_somebody_agreed_to_exactly_that() {
    let place = Place::new();
    let own = place.path().join("own");
    let run = |arguments: &[&str]| {
        let mut command = place.command(arguments);
        Outcome::of(&command.env("ROPEWALK_HOME", &own).output().unwrap())
    };
    // What it leaves behind shows that it ran.
    let servers = |says: &str| {
        let script = format!("echo {says} >> ran; exit 3");
        let loud = json!({"command": "sh", "args": ["-c", script]});
        let file = json!({"mcpServers": {"loud": loud}});
        place.write(".mcp.json", file.to_string());
    };
    let ran = || std::fs::read_to_string(place.path().join("ran")).unwrap_or_default();
    servers("one");
    let listed = run(&["servers", "list"]);
    assert_eq!(listed.code, Some(0), "{listed:?}");
    assert!(
        listed
            .out
            .contains(r#""sh" "-c" "echo one >> ran; exit 3""#),
        "{listed:?}"
    );
    let doctor = run(&["doctor"]);
    assert!(
        doctor.out.contains("ropewalk servers trust loud"),
        "{doctor:?}"
    );
    assert_eq!(ran(), "", "{doctor:?}");
    let unknown = run(&["servers", "trust", "lout"]);
    assert_eq!(unknown.code, Some(1), "{unknown:?}");
    assert!(unknown.err.contains("there are: loud"), "{unknown:?}");
    let trusted = run(&["servers", "trust", "loud"]);
    assert_eq!(trusted.code, Some(0), "{trusted:?}");
    let doctor = run(&["doctor"]);
    assert!(doctor.out.contains("exit status: 3"), "{doctor:?}");
    assert_eq!(ran(), "one\n", "{doctor:?}");
    servers("two");
    let doctor = run(&["doctor"]);
    assert!(doctor.out.contains("it changed since"), "{doctor:?}");
    assert_eq!(ran(), "one\n", "{doctor:?}");
}
