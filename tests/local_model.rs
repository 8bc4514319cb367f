//! The local engine against llama.cpp, and against chance.
//!
//! `ROPEWALK_HEAVY=1` takes 20 prompts of 64 tokens and 10,000 calls instead of a few. llama.cpp
//! is the Python package `llama-cpp-python`, in the Python that `ROPEWALK_PEER_PYTHON` names or
//! `python3`; without it that part says so. Tools are those of `bfcl_tools` in the folder that
//! `ROPEWALK_DATA` names (or `../shared/data`), else a few of our own.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests may panic"
)]

use std::collections::BTreeSet;
use std::io::Write;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, atomic::AtomicBool};

use ropewalk_core::message::{Message, Sampling};
use ropewalk_core::tool::{ToolHints, ToolSpec};
use ropewalk_infer::chat::dialect::{Answer, Asked, Thinking};
use ropewalk_infer::chat::family::family_template;
use ropewalk_infer::chat::template::Conversation;
use ropewalk_infer::constraint::Constraint;
use ropewalk_infer::decoder::{Decoder, Slice};
use ropewalk_infer::error::InferError;
use ropewalk_infer::file::ModelFile;
use ropewalk_infer::kv::PAGE;
use ropewalk_infer::model::{LocalModel, ModelOptions};
use ropewalk_infer::sampling::{Sampled, Sampler};
use ropewalk_infer::tiny::TinyModel;
use ropewalk_infer::tiny::quant::Quant;
use ropewalk_infer::tiny::shape::{Architecture, Shape};
use ropewalk_infer::worker::{EndReason, Ended, Job, Listener, Worker, WorkerLimits};
use ropewalk_sql::Dialect;
use ropewalk_sql::grammar::grammar;
use ropewalk_sql::guard::{Guard, Rules};
use ropewalk_sql::schema::{Column, Table};
use serde_json::{Value, json};

fn heavy() -> bool {
    std::env::var_os("ROPEWALK_HEAVY").is_some()
}

/// A Python with llama.cpp.
fn llama_cpp() -> Option<PathBuf> {
    let python = std::env::var_os("ROPEWALK_PEER_PYTHON");
    let python = PathBuf::from(python.unwrap_or_else(|| "python3".into()));
    let found = Command::new(&python)
        .args(["-c", "import llama_cpp, numpy"])
        .stderr(Stdio::null())
        .status();
    if found.is_ok_and(|status| status.success()) {
        return Some(python);
    }
    eprintln!(
        "skipped: {} has no llama_cpp; pip install llama-cpp-python, or name another Python in \
         ROPEWALK_PEER_PYTHON",
        python.display()
    );
    None
}

/// What llama.cpp takes after each prompt, and how far its logits are from its own.
fn theirs(python: &Path, model: &Path, prompts: &[Vec<u32>], count: usize) -> (Vec<Vec<u32>>, f64) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/local_model/greedy.py");
    let mut child = Command::new(python)
        .arg(script)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let asked = json!({"model": model, "prompts": prompts, "count": count});
    let mut input = child.stdin.take().unwrap();
    input.write_all(asked.to_string().as_bytes()).unwrap();
    drop(input);
    let output = child.wait_with_output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {error}", output.status);
    let said: Value = serde_json::from_slice(&output.stdout).unwrap();
    let tokens = serde_json::from_value(said["tokens"].clone()).unwrap();
    (tokens, said["own_difference"].as_f64().unwrap())
}

/// Prompts that look like nothing in particular.
fn prompts(count: usize, vocabulary: usize) -> Vec<Vec<u32>> {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut next = |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 20) as usize % below
    };
    (0..count)
        .map(|_| {
            let length = 3 + next(60);
            (0..length).map(|_| next(vocabulary) as u32).collect()
        })
        .collect()
}

#[test]
fn greedy_tokens_are_those_of_llama_cpp() {
    let Some(python) = llama_cpp() else { return };
    let (count, length) = if heavy() { (20, 64) } else { (3, 16) };
    let folder = tempfile::tempdir().unwrap();
    for architecture in [Architecture::Llama, Architecture::Qwen3] {
        for quant in [Quant::Q8_0, Quant::Q4K, Quant::F16] {
            let path = folder
                .path()
                .join(format!("{}-{}.gguf", architecture.name(), quant.name()));
            let shape = Shape::tiny(architecture);
            let prompts = prompts(count, shape.vocabulary);
            TinyModel::new(shape).write_gguf(&path, quant).unwrap();
            let (tokens, own) = theirs(&python, &path, &prompts, length);
            let file = ModelFile::open(&path).unwrap();
            let decoder = Decoder::load(&file, 2).unwrap();
            let mut same = 0;
            let mut widest = 0.0_f64;
            for (prompt, theirs) in prompts.iter().zip(&tokens) {
                // Along their tokens, so that one near tie does not end the comparison.
                let mut all = prompt.clone();
                all.extend(&theirs[..theirs.len() - 1]);
                let mut pages = decoder.pages();
                let numbers: Vec<usize> = (0..all.len().div_ceil(PAGE)).collect();
                numbers.iter().for_each(|_| pages.add().unwrap());
                let slice = Slice {
                    tokens: &all,
                    position: 0,
                    pages: &numbers,
                    logits: theirs.len(),
                };
                let logits = decoder.run(&[slice], &mut pages).unwrap();
                let rows = logits.chunks(decoder.spec().vocabulary);
                for (row, theirs) in rows.zip(theirs) {
                    let (best, top) = row
                        .iter()
                        .enumerate()
                        .max_by(|a, b| a.1.total_cmp(b.1))
                        .unwrap();
                    if best as u32 == *theirs {
                        same += 1;
                    } else {
                        let gap = f64::from(top - row[*theirs as usize]);
                        widest = widest.max(gap);
                        // Rounding: not more than llama.cpp differs from itself, six deviations.
                        assert!(
                            gap < 6.0 * own,
                            "{}: token {best} instead of {theirs}, ahead by {gap}, where llama.cpp \
                             differs from itself by {own}",
                            path.display()
                        );
                    }
                }
            }
            println!(
                "{} {}: {same} of {} tokens are the same; the others are near ties of at most \
                 {widest:.3}, where llama.cpp differs from itself by {own:.3} (rms)",
                architecture.name(),
                quant.name(),
                count * length
            );
        }
    }
}

/// Real tools, or a few of our own.
fn tools() -> Vec<ToolSpec> {
    let data = std::env::var_os("ROPEWALK_DATA").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data"),
        PathBuf::from,
    );
    let corpus = data.join("retrieval/bfcl_tools/corpus.jsonl");
    let tool = |name: &str, schema: Value| ToolSpec {
        name: name.to_owned(),
        description: String::new(),
        input_schema: schema,
        output_schema: None,
        hints: ToolHints::default(),
    };
    if let Ok(text) = std::fs::read_to_string(&corpus) {
        let all = text
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).unwrap());
        // Every so many, so that they are not all of one kind.
        return all
            .step_by(12)
            .take(50)
            .map(|entry| {
                let mut schema = entry["inputSchema"].clone();
                plain_types(&mut schema);
                tool(entry["title"].as_str().unwrap_or("tool"), schema)
            })
            .enumerate()
            .map(|(number, mut tool)| {
                tool.name = format!("t{number}_{}", tool.name);
                tool
            })
            .collect();
    }
    println!(
        "there is no {}; tools of our own stand in",
        corpus.display()
    );
    vec![
        tool(
            "search",
            json!({"type": "object", "properties": {"query": {"type": "string"}, "limit": {"type": "integer", "minimum": 1, "maximum": 50}}, "required": ["query"]}),
        ),
        tool(
            "book",
            json!({"type": "object", "properties": {"seats": {"type": "array", "items": {"type": "integer"}, "minItems": 1, "maxItems": 4}, "class": {"enum": ["first", "second"]}}, "required": ["seats", "class"]}),
        ),
        tool(
            "note",
            json!({"type": "object", "properties": {"about": {"type": "object", "properties": {"who": {"type": "string"}, "when": {"type": ["string", "null"]}}, "required": ["who"]}, "urgent": {"type": "boolean"}, "weight": {"type": "number"}}, "required": ["about", "urgent", "weight"]}),
        ),
    ]
}

/// The set writes some types in Python's words.
fn plain_types(schema: &mut Value) {
    match schema {
        Value::Object(fields) => {
            if let Some(Value::String(kind)) = fields.get("type") {
                let plain = match kind.as_str() {
                    "dict" => Some("object"),
                    "float" | "double" => Some("number"),
                    "tuple" => Some("array"),
                    "any" => None,
                    other => Some(other),
                }
                .map(str::to_owned);
                match plain {
                    Some(plain) => fields.insert("type".to_owned(), json!(plain)),
                    None => fields.remove("type"),
                };
            }
            fields.values_mut().for_each(plain_types);
        }
        Value::Array(all) => all.iter_mut().for_each(plain_types),
        _ => {}
    }
}

/// Two tables whose names and columns have to be quoted now and then.
fn tables() -> Vec<Table> {
    let table = |name: &str, columns: &[&str]| Table {
        name: name.to_owned(),
        columns: columns
            .iter()
            .map(|name| Column {
                name: (*name).to_owned(),
                kind: "TEXT".to_owned(),
                nullable: true,
                comment: None,
                samples: Vec::new(),
            })
            .collect(),
        view: false,
        comment: None,
        primary_key: Vec::new(),
        foreign_keys: Vec::new(),
        rows: None,
    };
    vec![
        table("customer", &["id", "last name", "region"]),
        table("order", &["customer_id", "amount", "größe"]),
    ]
}

#[test]
fn sampled_hot_from_random_weights_every_statement_is_one_that_may_be_run() {
    const AT_ONCE: usize = 16;
    let count = if heavy() { 3_000 } else { 60 };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.gguf");
    TinyModel::new(Shape::tiny(Architecture::Qwen3))
        .write_gguf(&path, Quant::Q8_0)
        .unwrap();
    let model = LocalModel::open(&path, &ModelOptions::default()).unwrap();
    let limits = WorkerLimits {
        context: 2048,
        cache_bytes: 64 << 20,
        parallel: AT_ONCE,
        queue: AT_ONCE,
    };
    let worker = Worker::start(Arc::clone(&model.decoder), &model.tokenizer, limits).unwrap();
    let messages = [Message::User {
        text: "Which region buys most?".to_owned(),
    }];
    let prompt = model
        .prompt(Conversation {
            messages: &messages,
            tools: &[],
            thinking: Some(false),
            now: Some(0),
        })
        .unwrap();
    let tables = tables();
    let tables: Vec<&Table> = tables.iter().collect();
    let dialects = [Dialect::Sqlite, Dialect::Postgres, Dialect::Mysql];
    // Nine of ten times chance would only begin to say why it cannot answer.
    let held = dialects.map(|dialect| {
        let grammar = grammar(&tables, dialect).unwrap();
        assert!(grammar.contains(" | refusal\n"));
        Constraint::Lark(grammar.replace(" | refusal\n", "\n"))
    });
    let guards = dialects.map(|dialect| Guard::new(dialect, Rules::default()).unwrap());
    let (sender, receiver) = channel();
    let (mut statements, mut cut, mut asked, mut ended) = (0, 0, 0, 0);
    while ended < count {
        while asked < count && asked - ended < AT_ONCE {
            let sampling = Sampling {
                temperature: Some(1.5),
                seed: Some(asked as i64),
                ..Sampling::default()
            };
            worker
                .submit(Job {
                    prompt: prompt.tokens.clone(),
                    sampler: Sampler::new(&sampling),
                    matcher: Some(model.grammars.matcher(&held[asked % held.len()]).unwrap()),
                    most: 400,
                    cancelled: Arc::new(AtomicBool::new(false)),
                    listener: Box::new(Collect {
                        number: asked,
                        tokens: Vec::new(),
                        sender: sender.clone(),
                    }),
                })
                .unwrap();
            asked += 1;
        }
        let (number, written, end) = receiver.recv().unwrap();
        ended += 1;
        let bytes: Vec<u8> = written
            .iter()
            .filter(|token| !model.tokenizer.ends().contains(token))
            .flat_map(|token| model.tokenizer.bytes(*token).to_vec())
            .collect();
        let text = String::from_utf8_lossy(&bytes);
        // Chance does not end every statement in time.
        if end.reason != EndReason::Turn {
            cut += 1;
            continue;
        }
        statements += 1;
        let checked = guards[number % guards.len()].check(&text);
        assert!(checked.is_ok(), "{number}: {text}\n{checked:?}");
    }
    println!("{statements} statements, all let through by the guard, and {cut} cut off");
    assert!(statements >= count / 4);
}

/// Collects the tokens of one reply.
struct Collect {
    number: usize,
    tokens: Vec<u32>,
    sender: Sender<(usize, Vec<u32>, Ended)>,
}

impl Listener for Collect {
    fn token(&mut self, sampled: &Sampled) -> ControlFlow<()> {
        self.tokens.push(sampled.token);
        ControlFlow::Continue(())
    }

    fn end(self: Box<Self>, ended: Result<Ended, InferError>) {
        let _ = self.sender.send((self.number, self.tokens, ended.unwrap()));
    }
}

#[test]
fn sampled_hot_from_random_weights_every_call_parses_and_validates() {
    const AT_ONCE: usize = 16;
    let count = if heavy() { 10_000 } else { 150 };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.gguf");
    TinyModel::new(Shape::tiny(Architecture::Qwen3))
        .with_chat_template(family_template("qwen3").unwrap())
        .write_gguf(&path, Quant::Q8_0)
        .unwrap();
    let model = LocalModel::open(&path, &ModelOptions::default()).unwrap();
    let tools = tools();
    let validators: Vec<_> = tools
        .iter()
        .map(|tool| jsonschema::validator_for(&tool.input_schema).unwrap())
        .collect();
    let limits = WorkerLimits {
        context: 2048,
        cache_bytes: 64 << 20,
        parallel: AT_ONCE,
        queue: AT_ONCE,
    };
    let worker = Worker::start(Arc::clone(&model.decoder), &model.tokenizer, limits).unwrap();
    let messages = [Message::User {
        text: "Call a tool.".to_owned(),
    }];
    let prompt = model
        .prompt(Conversation {
            messages: &messages,
            tools: &[],
            thinking: Some(false),
            now: Some(0),
        })
        .unwrap();
    // Each reply is offered a few of the tools, so that all of them are called.
    let groups: Vec<&[ToolSpec]> = tools.chunks(5).collect();
    let held: Vec<_> = groups
        .iter()
        .map(|tools| {
            let held = model.dialect.constraint(Asked {
                tools,
                required: true,
                answer: Answer::Text,
                thinking: Thinking::No,
            });
            let held = held.unwrap();
            assert_eq!(held.unchecked, [], "every schema can be enforced");
            held.constraint.unwrap()
        })
        .collect();
    let (sender, receiver) = channel();
    let mut called = BTreeSet::new();
    let (mut calls, mut tokens, mut asked, mut ended) = (0, 0, 0, 0);
    while ended < count {
        while asked < count && asked - ended < AT_ONCE {
            let sampling = Sampling {
                temperature: Some(1.5),
                seed: Some(asked as i64),
                ..Sampling::default()
            };
            worker
                .submit(Job {
                    prompt: prompt.tokens.clone(),
                    sampler: Sampler::new(&sampling),
                    matcher: Some(model.grammars.matcher(&held[asked % held.len()]).unwrap()),
                    most: 400,
                    cancelled: Arc::new(AtomicBool::new(false)),
                    listener: Box::new(Collect {
                        number: asked,
                        tokens: Vec::new(),
                        sender: sender.clone(),
                    }),
                })
                .unwrap();
            asked += 1;
        }
        let (number, written, end) = receiver.recv().unwrap();
        ended += 1;
        tokens += written.len();
        let bytes: Vec<u8> = written
            .iter()
            .filter(|token| !model.tokenizer.ends().contains(token))
            .flat_map(|token| model.tokenizer.bytes(*token).to_vec())
            .collect();
        let text = String::from_utf8_lossy(&bytes);
        let offered = groups[number % groups.len()];
        let mut reader = model.dialect.reader(Thinking::No, offered, BTreeSet::new());
        reader.push(&text);
        let (read, _) = reader.finish();
        assert_eq!(
            end.reason,
            EndReason::Turn,
            "reply {number} broke off: {text}"
        );
        assert!(
            !read.calls.is_empty() && read.broken.is_empty(),
            "reply {number}: {text}"
        );
        for call in &read.calls {
            let tool = tools.iter().position(|tool| tool.name == call.name);
            let tool = tool.unwrap_or_else(|| panic!("reply {number} calls {}", call.name));
            assert!(
                validators[tool].is_valid(&call.arguments),
                "reply {number}: {} does not fit {}",
                call.arguments,
                tools[tool].input_schema
            );
            called.insert(tool);
            calls += 1;
        }
    }
    println!(
        "{calls} calls of {} tools in {count} replies of {tokens} tokens: all parse and validate",
        called.len()
    );
    assert!(calls >= count);
}
