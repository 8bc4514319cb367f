//! What a store costs: `store_measure corpus FILE` with JSON lines of `_id`, `title` and `text`, or
//! `store_measure scale ENTITIES STATEMENTS`, made up. In the folder that TMPDIR names: where that
//! is memory, a commit costs nothing.

use std::error::Error;
use std::path::Path;
use std::sync::Mutex;
use std::time::Instant;

use ropewalk_graph::name::Key;
use ropewalk_graph::piece::{Document, Extractor, Kind, Mention, Passage, Piece, Statement};
use ropewalk_graph::store::{GraphStore, SqliteStore, stems};

type Outcome = Result<(), Box<dyn Error>>;

fn main() -> Outcome {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["corpus", file] => corpus(Path::new(file)),
        ["scale", entities, statements] => scale(entities.parse()?, statements.parse()?),
        _ => Err("store_measure corpus FILE | store_measure scale ENTITIES STATEMENTS".into()),
    }
}

/// One way of putting the last documents of a corpus.
type Way = fn(&SqliteStore, Vec<Piece>) -> Outcome;

fn corpus(file: &Path) -> Outcome {
    let text = std::fs::read_to_string(file)?;
    let pieces: Vec<Piece> = text.lines().filter_map(piece_of_line).collect();
    let mentions: usize = pieces.iter().map(|piece| piece.mentions.len()).sum();
    println!("{} documents, {mentions} mentions", pieces.len());

    let folder = tempfile::tempdir()?;
    let store = SqliteStore::open(&folder.path().join("whole.db"))?;
    let begun = Instant::now();
    for batch in pieces.chunks(1_000) {
        store.put_all(batch.to_vec())?;
    }
    tell("all, by 1,000", begun, pieces.len());
    println!("  {:?}", store.status()?);
    let begun = Instant::now();
    for piece in pieces.iter().take(1_000) {
        store.put(piece.clone())?;
    }
    tell("1,000 unchanged, one by one", begun, 1_000);
    questions(&store)?;
    let begun = Instant::now();
    let audit = store.audit()?;
    println!(
        "audit: {:.2} s, {} differences",
        begun.elapsed().as_secs_f64(),
        audit.differences.len()
    );

    let base = pieces.len().saturating_sub(1_000);
    let (before, last) = pieces.split_at(base);
    let ways: [(&str, Way); 6] = [
        ("1,000 in one batch", |store, pieces| {
            store.put_all(pieces)?;
            Ok(())
        }),
        ("1,000 one by one", |store, pieces| {
            for piece in pieces {
                store.put(piece)?;
            }
            Ok(())
        }),
        ("1,000 submitted one by one", |store, pieces| {
            let tickets: Vec<_> = pieces
                .into_iter()
                .map(|piece| store.submit(piece))
                .collect();
            for ticket in tickets {
                ticket.wait()?;
            }
            Ok(())
        }),
        ("1,000 one by one, 8 callers", |store, pieces| {
            at_once(store, pieces, 8)
        }),
        ("1,000 one by one, 32 callers", |store, pieces| {
            at_once(store, pieces, 32)
        }),
        ("1,000 one by one, 128 callers", |store, pieces| {
            at_once(store, pieces, 128)
        }),
    ];
    for (name, way) in ways {
        let folder = tempfile::tempdir()?;
        let store = SqliteStore::open(&folder.path().join("part.db"))?;
        store.put_all(before.to_vec())?;
        let last = last.to_vec();
        let begun = Instant::now();
        way(&store, last)?;
        tell(name, begun, 1_000);
    }
    Ok(())
}

fn at_once(store: &SqliteStore, pieces: Vec<Piece>, callers: usize) -> Outcome {
    let rest = Mutex::new(pieces);
    let next = || rest.lock().ok().and_then(|mut rest| rest.pop());
    std::thread::scope(|scope| {
        let callers: Vec<_> = (0..callers)
            .map(|_| {
                scope.spawn(|| {
                    while let Some(piece) = next() {
                        store.put(piece)?;
                    }
                    Ok::<(), ropewalk_graph::store::StoreError>(())
                })
            })
            .collect();
        for caller in callers {
            caller.join().map_err(|_| "a caller ended")??;
        }
        Ok(())
    })
}

fn questions(store: &SqliteStore) -> Outcome {
    for (what, question) in [("rare", "Lotharingia"), ("frequent", "film director born")] {
        let begun = Instant::now();
        let found = store.search_text(&stems(question), 20)?;
        let took = begun.elapsed().as_secs_f64() * 1e3;
        println!("search, {what} words: {took:.2} ms, {} found", found.len());
    }
    let begun = Instant::now();
    let near = store.near("Lothar the Secnd", 5)?;
    let took = begun.elapsed().as_secs_f64() * 1e3;
    let near: Vec<String> = near.into_iter().map(|near| near.key.to_string()).collect();
    println!("near: {took:.2} ms, {near:?}");
    let begun = Instant::now();
    let hash = store.hash()?;
    println!(
        "hash: {:.3} ms, {hash}",
        begun.elapsed().as_secs_f64() * 1e3
    );
    Ok(())
}

fn tell(what: &str, begun: Instant, count: usize) {
    let took = begun.elapsed().as_secs_f64();
    println!(
        "{what}: {took:.2} s, {:.3} ms each",
        took * 1e3 / count.max(1) as f64
    );
}

/// A document of one passage; runs of words with capitals are its mentions, made-up statements
/// stand between every other two.
fn piece_of_line(line: &str) -> Option<Piece> {
    let value: serde_json::Value = serde_json::from_str(line).ok()?;
    let part = |name: &str| value.get(name)?.as_str().map(str::to_owned);
    let (source, title, text) = (part("_id")?, part("title")?, part("text")?);
    let mut mentions = Vec::new();
    let mut run = String::new();
    for word in title
        .split_whitespace()
        .chain(["."])
        .chain(text.split_whitespace())
        .chain(["."])
    {
        if word.starts_with(char::is_uppercase) {
            run.push(' ');
            run.push_str(word);
        } else if let Some(entity) = Key::of(&std::mem::take(&mut run)) {
            mentions.push(Mention {
                passage: 0,
                name: entity.to_string(),
                entity,
                kind: Kind::Name,
                span: 0..1,
            });
        }
    }
    let pairs = mentions.windows(2).step_by(2);
    let statements = pairs.filter_map(|pair| {
        let [one, other] = pair else { return None };
        Some(statement(one.entity.clone(), other.entity.clone()))
    });
    Some(Piece {
        statements: statements.collect(),
        mentions,
        document: Document {
            source,
            title,
            date: None,
            passages: vec![Passage {
                headings: Vec::new(),
                span: 0..text.len() as u64,
                text,
            }],
        },
    })
}

fn statement(subject: Key, object: Key) -> Statement {
    Statement {
        passage: 0,
        subject,
        predicate: "stands beside".to_owned(),
        object,
        span: 0..1,
        extractor: Extractor::Pattern,
        confidence: 0.5,
        valid_from: None,
        valid_to: None,
    }
}

/// Documents of fifty statements each, between entities that are spread over all of them: what is
/// hardest for indexes.
fn scale(entities: u64, statements: u64) -> Outcome {
    const IN_EACH: u64 = 50;
    let folder = tempfile::tempdir()?;
    let store = SqliteStore::open(&folder.path().join("scale.db"))?;
    let thing = |number: u64| {
        let spread = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 20;
        Key::of(&format!("Thing {}", spread % entities.max(1)))
    };
    let documents = statements / IN_EACH;
    let begun = Instant::now();
    let mut batch = Vec::new();
    for number in 0..documents {
        let text = format!("Document {number} says what stands beside what.");
        let said = (0..IN_EACH).filter_map(|at| {
            let first = (number * IN_EACH + at) * 2;
            Some(statement(thing(first)?, thing(first + 1)?))
        });
        batch.push(Piece {
            statements: said.collect(),
            mentions: Vec::new(),
            document: Document {
                source: format!("made/{number}"),
                title: String::new(),
                date: None,
                passages: vec![Passage {
                    headings: Vec::new(),
                    span: 0..text.len() as u64,
                    text,
                }],
            },
        });
        if batch.len() >= 5_000 {
            store.put_all(std::mem::take(&mut batch))?;
            tell(&format!("{} documents", number + 1), begun, 1);
        }
    }
    store.put_all(batch)?;
    tell("built", begun, 1);
    println!("  {:?}", store.status()?);
    questions(&store)?;
    if let Some(key) = thing(4) {
        let begun = Instant::now();
        let page = store.statements_of(&key, None, 100)?;
        let took = begun.elapsed().as_secs_f64() * 1e3;
        println!(
            "statements of one: {took:.2} ms, {} found",
            page.items.len()
        );
    }
    let begun = Instant::now();
    let audit = store.audit()?;
    println!(
        "audit: {:.2} s, {} differences",
        begun.elapsed().as_secs_f64(),
        audit.differences.len()
    );
    Ok(())
}
