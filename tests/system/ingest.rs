//! `ropewalk ingest`: incremental, honest about bad files, safe to kill.

use std::collections::BTreeSet;
use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::program::{Outcome, Place};

fn sources(place: &Place, question: &str) -> Vec<String> {
    let answer = place.json(&["ask", question, "--collection", "documents", "--json"]);
    let citations = answer["citations"].as_array().unwrap().clone();
    citations
        .iter()
        .map(|citation| citation["source"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn only_what_changed_costs_anything_and_what_is_gone_is_not_found() {
    let place = Place::new();
    place.write("d/hemp.md", "# Hemp\n\nHemp ropes are strong when wet.\n");
    place.write(
        "d/sisal.md",
        "# Sisal\n\nSisal twine ties hay bales together.\n",
    );
    let ingest = || place.json(&["ingest", "d", "--json"]);
    let first = ingest();
    assert_eq!(
        (first["written"].as_u64(), first["embedded"].as_u64()),
        (Some(2), Some(2))
    );
    let second = ingest();
    assert_eq!(
        (second["unchanged"].as_u64(), second["embedded"].as_u64()),
        (Some(2), Some(0))
    );
    assert!(
        sources(&place, "What does sisal twine tie together?").contains(&"d/sisal.md".to_owned())
    );

    place.write(
        "d/hemp.md",
        "# Hemp\n\nHemp ropes are weak when they are old.\n",
    );
    let changed = ingest();
    assert_eq!(
        (changed["written"].as_u64(), changed["chunks"].as_u64()),
        (Some(1), Some(2))
    );

    std::fs::remove_file(place.path().join("d/sisal.md")).unwrap();
    let removed = ingest();
    assert_eq!(
        (removed["removed"].as_u64(), removed["chunks"].as_u64()),
        (Some(1), Some(1))
    );
    assert!(
        !sources(&place, "What does sisal twine tie together?").contains(&"d/sisal.md".to_owned())
    );
}

#[test]
fn one_bad_file_is_reported_and_the_others_go_on() {
    let place = Place::new();
    place.write("d/good.md", "# Good\n\nThis one can be read.\n");
    place.write("d/binary.md", b"\x7FELF\0\0\0");
    place.write("d/latin.txt", b"caf\xE9");
    place.write("d/corrupt.pdf", b"%PDF-1.7\ngarbage");
    place.write("d/broken.jsonl", b"{}\n{\n");
    let outcome = place.run(&["ingest", "d", "--json"]);
    assert_eq!(outcome.code, Some(1), "{outcome:?}");
    let report: Value = serde_json::from_str(&outcome.out).unwrap();
    assert_eq!(report["written"], 1, "{report}");
    assert_eq!(report["failed"].as_array().unwrap().len(), 4, "{report}");
    for words in [
        "a program",
        "byte 3 is not valid UTF-8",
        "damaged",
        "line 2, column",
    ] {
        assert!(outcome.err.contains(words), "{words}: {outcome:?}");
    }
    assert_eq!(sources(&place, "Which one can be read?"), ["d/good.md"]);
}

#[test]
fn a_file_that_turns_bad_keeps_what_was_known_of_it() {
    let place = Place::new();
    place.write(
        "d/a.md",
        "# Knots\n\nThe bowline makes a loop that does not slip.\n",
    );
    assert_eq!(place.run(&["ingest", "d"]).code, Some(0));
    place.write("d/a.md", b"# Knots\n\n\xFF\xFE broken".as_slice());
    assert_eq!(place.run(&["ingest", "d"]).code, Some(1));
    assert_eq!(
        sources(&place, "Which knot makes a loop that does not slip?"),
        ["d/a.md"]
    );
}

#[test]
fn an_endless_line_is_refused_without_filling_the_memory() {
    let place = Place::new();
    let path = place.write("d/one-line.txt", "");
    let file = std::fs::File::create(path).unwrap();
    let mut writer = std::io::BufWriter::new(file);
    for _ in 0..200 {
        std::io::Write::write_all(&mut writer, &vec![b'x'; 1 << 20]).unwrap();
    }
    drop(writer);
    place
        .run(&["ingest", "d"])
        .failed_saying("line 1 has more than 8388608 bytes");
}

#[test]
fn wrong_paths_and_patterns_are_named() {
    let place = Place::new();
    place
        .run(&["ingest", "nowhere"])
        .failed_saying("nowhere: there is no such file or folder");
    place.write("d/a.md", "# A\n\nWords.\n");
    place
        .run(&["ingest", "d", "--glob", "["])
        .failed_saying("`[` is not a pattern");
    place
        .run(&["ingest", "d", "--collection", "a/b"])
        .failed_saying("cannot name a collection");
    assert_eq!(place.run(&["ingest", "d/*.md"]).code, Some(0));
}

#[test]
fn two_processes_do_not_share_a_data_folder() {
    let place = Place::new();
    place.write("d/a.md", "# A\n\nWords.\n");
    assert_eq!(place.run(&["ingest", "d"]).code, Some(0));
    let mut server = place.command(&["server", "vector"]);
    let mut child = server
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let waited = (0..200).any(|_| {
        std::thread::sleep(Duration::from_millis(50));
        place
            .run(&["ingest", "d"])
            .err
            .contains("in use by another process")
    });
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(waited, "a second process got in beside the first");
    assert_eq!(
        place.run(&["ingest", "d"]).code,
        Some(0),
        "the lock outlived its holder"
    );
}

/// Kills an ingestion again and again at moments spread over its length, while files change in
/// between. What a complete ingestion acknowledged is there after every kill, and in the end the
/// collection is what one undisturbed ingestion makes of the files.
#[test]
fn killing_an_ingestion_loses_nothing_that_was_finished() {
    let place = Place::new();
    let files = 40;
    let write = |number: usize, version: u64| {
        // Every fourth is of several chunks; more would only be more arithmetic.
        let strands = if number.is_multiple_of(4) { 30 } else { 1 };
        let words: String = (0..strands)
            .map(|n| format!("Strand {n} of rope {number} is sound since {version}. "))
            .collect();
        let text = format!("# Rope {number}\n\n{words}\n");
        place.write(&format!("d/f{number:02}.md"), text);
    };
    (0..files).for_each(|number| write(number, 0));
    let complete = |touched: &BTreeSet<usize>| {
        let report = place.json(&["ingest", "d", "--json"]);
        let unchanged = report["unchanged"].as_u64().unwrap();
        let kept = (files - touched.len()) as u64;
        assert!(
            unchanged >= kept,
            "{unchanged} of {kept} are left: {report}"
        );
    };
    let began = Instant::now();
    complete(&(0..files).collect());
    let whole = began.elapsed();
    let (mut killed, mut touched) = (0, BTreeSet::new());
    for round in 1..=50_u64 {
        // As much to do as the kill leaves time for, on average.
        for step in 0..files / 4 {
            let number = (round as usize * 7 + step * 3) % files;
            write(number, round);
            touched.insert(number);
        }
        let mut child = place
            .command(&["ingest", "d", "--json"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        // Moments are spread by the golden ratio, so that no phase of the work is spared.
        let moment = (round as f64 * 0.618_033_988).fract();
        std::thread::sleep(whole.mul_f64(moment / 2.0));
        let _ = child.kill();
        killed += u32::from(!child.wait().unwrap().success());
        if round % 10 == 0 {
            complete(&touched);
            touched.clear();
        }
    }
    assert!(
        killed >= 10,
        "only {killed} kills came before the end of the work"
    );
    let again = place.json(&["ingest", "d", "--json"]);
    assert_eq!(
        (again["unchanged"].as_u64(), again["embedded"].as_u64()),
        (Some(files as u64), Some(0))
    );
    let fresh = Place::new();
    for number in 0..files {
        let name = format!("d/f{number:02}.md");
        fresh.write(&name, std::fs::read(place.path().join(&name)).unwrap());
    }
    let clean = fresh.json(&["ingest", "d", "--json"]);
    assert_eq!(
        again["chunks"], clean["chunks"],
        "half-written chunks were left behind"
    );
}

#[cfg(unix)]
#[test]
fn ctrl_c_ends_an_ingestion_cleanly_and_keeps_what_is_done() {
    let place = Place::new();
    // So many that a slow machine is not done before it is interrupted.
    let files = 150;
    for number in 0..files {
        let text = format!("# Rope {number}\n\nRope {number} is sound.\n");
        place.write(&format!("d/f{number:03}.md"), text);
    }
    let child = place
        .command(&["ingest", "d", "--json"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // The work has begun once the collection is there.
    let collection = place.path().join(".ropewalk/vector/documents");
    while !collection.exists() {
        std::thread::sleep(Duration::from_millis(5));
    }
    let told = std::process::Command::new("kill")
        .args(["-INT", &child.id().to_string()])
        .status()
        .unwrap();
    assert!(told.success());
    let ended = Outcome::of(&child.wait_with_output().unwrap());
    assert_eq!(ended.code, Some(130), "{ended:?}");
    let report: Value = serde_json::from_str(&ended.out).unwrap_or_else(|_| panic!("{ended:?}"));
    assert_eq!(report["cancelled"], true, "{report}");
    let written = report["written"].as_u64().unwrap();
    assert!(written < files, "{report}");
    let rest = place.json(&["ingest", "d", "--json"]);
    assert!(rest["unchanged"].as_u64().unwrap() >= written, "{rest}");
    assert_eq!(
        rest["unchanged"].as_u64().unwrap() + rest["written"].as_u64().unwrap(),
        files
    );
}

#[test]
fn doctor_says_what_works() {
    let place = Place::new();
    let report = place.json(&["doctor", "--json"]);
    assert_eq!(report["ok"], true, "{report}");
    place.write(
        ".mcp.json",
        r#"{"mcpServers": {"gone": {"command": "no-such-program"}}}"#,
    );
    let outcome: Outcome = place.run(&["doctor"]);
    assert_eq!(outcome.code, Some(1), "{outcome:?}");
    assert!(outcome.out.contains("FAILED server gone"), "{outcome:?}");
}
