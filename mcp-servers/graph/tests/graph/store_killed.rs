//! Two processes write at once, and are killed: what they acknowledged is there, and nothing is
//! half there.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use ropewalk_graph::store::{GraphStore, SqliteStore};

use crate::store_pieces::made_up;

/// Where the child finds what to do: the file, its first number, and whether it comes to an end.
const FILE: &str = "ROPEWALK_GRAPH_WRITES";

/// Documents of each writer: its own, each put, replaced and some of them removed.
const EACH: u64 = 1_000_000;

fn kills() -> u64 {
    match std::env::var_os("ROPEWALK_HEAVY") {
        Some(_) => 200,
        None => 6,
    }
}

/// Not a test of its own: what the processes below run. Without its variable there is nothing to
/// write.
#[test]
fn writer() {
    let Ok(asked) = std::env::var(FILE) else {
        return;
    };
    let mut parts = asked.split('|');
    let file = parts.next().unwrap();
    let first: u64 = parts.next().unwrap().parse().unwrap();
    let count: u64 = parts.next().unwrap().parse().unwrap();
    let store = SqliteStore::open(Path::new(file)).unwrap();
    let say = |line: String| {
        let mut out = std::io::stdout().lock();
        writeln!(out, "{line}").unwrap();
        out.flush().unwrap();
    };
    for number in first..first + count {
        say(format!("begin {number}"));
        store.put(made_up(number, 12)).unwrap();
        say(format!("put {number}"));
        if number % 5 == 4 {
            say(format!("leave {}", number - 2));
            store.remove(&format!("made/{}", number - 2)).unwrap();
            say(format!("gone {}", number - 2));
        }
        if number % 7 == 6 {
            let batch = (number - 1..=number).map(|number| made_up(number, 20));
            store.put_all(batch.collect()).unwrap();
            say(format!("batch {number}"));
        }
    }
    say("end".to_owned());
}

fn start(file: &Path, first: u64, count: u64) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "store_killed::writer", "--nocapture"])
        .env(FILE, format!("{}|{first}|{count}", file.display()))
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// What a writer said until it ended.
fn said(child: &mut Child) -> Vec<(String, u64)> {
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    lines
        .map_while(Result::ok)
        .filter_map(|line| {
            let (what, number) = line.split_once(' ')?;
            let known = ["begin", "put", "leave", "gone", "batch"].contains(&what);
            Some((what.to_owned(), number.parse().ok().filter(|_| known)?))
        })
        .collect()
}

/// Holds the store against what was said.
fn check(store: &SqliteStore, said: &[(String, u64)]) {
    let has = |what: &str, number| said.contains(&(what.to_owned(), number));
    for (what, number) in said.iter().filter(|(what, _)| what == "put") {
        assert_eq!(what, "put");
        let kept = store.piece(&format!("made/{number}")).unwrap();
        if has("gone", *number) {
            assert_eq!(kept, None, "{number} was removed");
        } else if kept.is_none() {
            assert!(
                has("leave", *number),
                "{number} was acknowledged and is lost"
            );
        }
        // Whether a batch that was not acknowledged is there is not known, but all of it is or
        // nothing.
        let batched = number % 7 >= 5;
        if let Some(kept) = kept {
            let one = kept == made_up(*number, 12);
            let other = batched && kept == made_up(*number, 20);
            assert!(one || other, "{number} is half there");
            let acknowledged = has("batch", *number) || has("batch", *number + 1);
            assert!(
                !(batched && acknowledged) || other,
                "{number} was put in a batch and is not"
            );
        }
    }
    for (_, number) in said.iter().filter(|(what, _)| what == "begin") {
        let kept = store.piece(&format!("made/{number}")).unwrap();
        let whole = [12, 20].map(|mentions| made_up(*number, mentions));
        assert!(
            kept.is_none_or(|kept| whole.contains(&kept)),
            "{number} is half there"
        );
    }
}

#[test]
fn what_was_acknowledged_outlives_a_kill() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("graph.db");
    let mut acknowledged = 0;
    for round in 0..kills() {
        let first = round * 10_000;
        let mut writers = [first, EACH + first].map(|first| start(&file, first, 5_000));
        // Moments spread over the start, the first writes and later ones.
        let wait = 20 + (round * 7_919) % 500;
        std::thread::sleep(Duration::from_millis(wait));
        for writer in &mut writers {
            writer.kill().unwrap();
            writer.wait().unwrap();
        }
        let said: Vec<_> = writers.iter_mut().flat_map(said).collect();
        acknowledged += said.iter().filter(|(what, _)| what == "put").count();
        let store = SqliteStore::open(&file).unwrap();
        check(&store, &said);
        if round % 20 == 0 || round + 1 == kills() {
            assert_eq!(store.audit().unwrap().differences, Vec::<String>::new());
        }
    }
    assert!(acknowledged > 0, "no writer came to write anything");
}

#[test]
fn two_processes_write_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("graph.db");
    let mut writers = [0, EACH].map(|first| start(&file, first, 60));
    let said: Vec<_> = writers.iter_mut().flat_map(said).collect();
    for writer in &mut writers {
        assert!(writer.wait().unwrap().success());
    }
    assert_eq!(said.iter().filter(|(what, _)| what == "put").count(), 120);
    let store = SqliteStore::open(&file).unwrap();
    check(&store, &said);
    let audit = store.audit().unwrap();
    assert_eq!(audit.differences, Vec::<String>::new());
    assert_eq!(audit.documents, store.status().unwrap().documents);
}
