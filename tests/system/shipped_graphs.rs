//! Every shipped graph compiles, runs to its end, and does what makes it the pattern it is.

mod bench;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use bench::{Bench, Shelf, definitions, graph, searches, to, to_data};
use ropewalk_core::graph::compile_text;
use ropewalk_core::interrupt::Reply;
use ropewalk_embed::Embedder;
use ropewalk_engine::definitions::Definitions;
use ropewalk_engine::run::{self, RunResult};
use ropewalk_engine::services::{Functions, OneEngine, Services};
use ropewalk_host::{Endpoint, Host, HostOptions};
use ropewalk_mcp_kit::ToolServer;
use ropewalk_models::scripted::{Scripted, ScriptedReply};
use ropewalk_sql::catalogue::{Catalogue, Entry, Kept};
use ropewalk_sql::server::SqlServer;
use ropewalk_sql::source::{Address, Import, Settings, Source};
use ropewalk_vector::server::{DEFAULT_COLLECTION, VectorServer};
use ropewalk_vector::store::edge::EdgeStore;
use serde_json::{Value, json};
use tokio::sync::Barrier;
use tokio_util::sync::CancellationToken;

use crate::program::{Outcome, PROGRAM, Place};

/// Tools that change nothing.
const READING: [&str; 7] = [
    "vector__search",
    "vector__read",
    "sql__schema",
    "sql__values",
    "sql__examples",
    "sql__check",
    "sql__query",
];

/// The table of the examples.
const CUSTOMERS: &str = "id,name,city\n1,Ada,Karlsruhe\n2,Grace,Paris\n3,Edsger,Paris\n";

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn page(name: &str) -> String {
    std::fs::read_to_string(root().join("docs").join(name)).unwrap()
}

/// The names of all graphs in the repository.
fn names() -> Vec<String> {
    let entries = std::fs::read_dir(root().join("graphs")).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    let mut names: Vec<String> = paths
        .filter(|path| path.extension().is_some_and(|found| found == "yaml"))
        .map(|path| path.file_stem().unwrap().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

/// What stands between fences of a language.
fn blocks(text: &str, language: &str) -> Vec<String> {
    let fence = format!("```{language}\n");
    let blocks = text.split(&fence).skip(1);
    blocks
        .map(|block| block.split("```").next().unwrap().to_owned())
        .collect()
}

/// The SQL server over one file.
async fn sql(folder: &Path) -> ToolServer {
    let file = folder.join("customers.csv");
    std::fs::write(&file, CUSTOMERS).unwrap();
    let mut import = Import {
        cache: None,
        progress: &mut |_| (),
        cancel: &CancellationToken::new(),
    };
    let address = Address::read(file.to_str().unwrap()).unwrap();
    let source = Source::open("customers", &address, Settings::default(), &mut import);
    let source = source.await.unwrap();
    let entry = Entry::new(source, &Kept::default(), None).await.unwrap();
    SqlServer::new(Catalogue::new(vec![entry], None).unwrap()).tools()
}

/// The definitions with the tools of the real servers, so that arguments and results are checked
/// too.
async fn definitions_with_tools(folder: &Path) -> Definitions {
    let store = EdgeStore::open(folder).unwrap();
    let embedder = Embedder::shipped().unwrap();
    let server = VectorServer::new(Arc::new(store), embedder, DEFAULT_COLLECTION).tools();
    let files = folder.join("files");
    std::fs::create_dir_all(&files).unwrap();
    let mut servers = Vec::new();
    for (name, server) in [("vector", server), ("sql", sql(&files).await)] {
        let (ours, theirs) = tokio::io::duplex(1 << 20);
        tokio::spawn(server.serve_io(theirs, CancellationToken::new()));
        servers.push((name.to_owned(), Endpoint::BuiltIn(ours)));
    }
    let (host, failures) = Host::start(servers, HostOptions::default()).await;
    assert!(failures.is_empty(), "{failures:?}");
    definitions().with_services(
        &Services {
            engines: Arc::new(OneEngine(Arc::new(Scripted::new(Vec::new())))),
            tools: Arc::new(host),
            functions: Arc::new(Functions::new()),
            store: None,
        },
        &[],
    )
}

#[tokio::test]
async fn every_graph_compiles_without_a_warning() {
    let folder = tempfile::tempdir().unwrap();
    let definitions = definitions_with_tools(folder.path()).await;
    let names = names();
    assert!(names.len() > 13, "{names:?}");
    for name in names {
        let compiled = definitions.compile(&name).unwrap();
        assert!(
            compiled.diagnostics.is_empty(),
            "{:?}",
            compiled.diagnostics
        );
        let graph = compiled.graph.unwrap();
        assert_eq!(graph.name(), name, "a graph is named as its file");
        assert!(!graph.definition().description.is_empty(), "{name}");
        let text = std::fs::read_to_string(root().join(format!("graphs/{name}.yaml"))).unwrap();
        assert!(text.starts_with("# "), "{name}.yaml says what it is for");
    }
}

#[tokio::test]
async fn every_graph_in_the_guide_compiles() {
    let folder = tempfile::tempdir().unwrap();
    let definitions = definitions_with_tools(folder.path()).await;
    let blocks = blocks(&page("graphs.md"), "yaml");
    let whole = blocks.iter().filter(|block| block.contains("nodes:"));
    let mut seen = 0;
    for block in whole {
        seen += 1;
        let compiled = compile_text("docs/graphs.md", block, &definitions);
        assert!(
            compiled.graph.is_some() && compiled.diagnostics.is_empty(),
            "{block}\n{:?}",
            compiled.diagnostics
        );
    }
    assert!(seen > 5, "only {seen} graphs were found");
}

/// The commands of a page that are shown with a prompt.
fn commands(text: &str) -> Vec<String> {
    let blocks = blocks(text, "console");
    let lines = blocks.iter().flat_map(|block| block.lines());
    lines
        .filter_map(|line| line.strip_prefix("$ "))
        .map(ToOwned::to_owned)
        .collect()
}

fn shell(place: &Place, line: &str) -> Outcome {
    let programs = Path::new(PROGRAM).parent().unwrap().display().to_string();
    let path = format!("{programs}:{}", std::env::var("PATH").unwrap());
    let mut shell = Command::new("sh");
    shell
        .args(["-c", &format!("exec {line}")])
        .current_dir(place.path())
        .env_clear()
        .env("PATH", &path)
        .stdin(Stdio::null());
    Outcome::of(&shell.output().unwrap())
}

#[test]
fn the_commands_of_the_guide_run() {
    let guide = page("graphs.md");
    let place = Place::new();
    place.write("graphs/shorten.yaml", &blocks(&guide, "yaml")[0]);
    place.write("report.txt", "A long report.");
    place.write(
        "replies.json",
        r#"[{"when": "sentence", "text": "Short."}]"#,
    );
    let commands = commands(&guide);
    assert!(commands.len() > 2, "{commands:?}");
    for command in commands {
        let runs = command.starts_with("ropewalk run ") && !command.contains("--script");
        let script = if runs { " --script replies.json" } else { "" };
        let outcome = shell(&place, &format!("{command}{script}"));
        assert_eq!(outcome.code, Some(0), "{command}: {outcome:?}");
        assert!(!runs || outcome.out == "Short.\n", "{command}: {outcome:?}");
    }
}

#[test]
fn every_graph_has_its_section_and_runs_in_the_program() {
    let place = Place::new();
    for folder in ["graphs", "agents", "prompts"] {
        for entry in std::fs::read_dir(root().join(folder)).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            place.write(&format!("{folder}/{name}"), std::fs::read(&path).unwrap());
        }
    }
    let text = "# Refunds\n\nThe refund period is 30 days. Refunds take ten days.\n";
    place.write("handbook/refunds.md", text);
    let ingested = place.run(&["ingest", "handbook"]);
    assert_eq!(ingested.code, Some(0), "{ingested:?}");
    place.write("customers.csv", CUSTOMERS);
    place.write("report.txt", "The ropes held.\n\nThe weather was fine.\n");
    let patterns = page("patterns.md");
    let commands = commands(&patterns);
    for name in names() {
        assert!(
            patterns.contains(&format!("\n## {name}\n")),
            "docs/patterns.md has no section for {name}"
        );
        let start = format!("ropewalk run {name} ");
        let command = commands.iter().find(|command| command.starts_with(&start));
        let command = command.unwrap_or_else(|| panic!("docs/patterns.md does not run {name}"));
        let script: PathBuf = root().join(format!("tests/system/shipped_graphs/{name}.json"));
        let outcome = shell(
            &place,
            &format!("{command} --json --script '{}'", script.display()),
        );
        assert!(
            matches!(outcome.code, Some(0 | 3)),
            "{command}: {:?}: {}",
            outcome.code,
            outcome.err
        );
        let asks = outcome.out.contains("\"interrupt_raised\"");
        assert_eq!(outcome.code == Some(3), asks, "{command}: {}", outcome.err);
    }
}

#[tokio::test]
async fn prompt_chain_stops_at_a_check_that_fails() {
    let outline = |points: Value| to_data("List the points", &json!({ "points": points }));
    let replies = |points: Value, missing: Value| {
        vec![
            outline(points),
            to("Write a short text", "Hemp is strong. Hemp rots."),
            to_data("Which of these points", &json!({ "missing": missing })),
            to("Polish the language", "Hemp is strong, but it rots."),
        ]
    };
    let topic = json!({"topic": "hemp"});
    let bench = Bench::new(replies(json!(["strong", "rots"]), json!([])));
    let ran = bench.run("prompt-chain", topic.clone()).await;
    assert_eq!(ran.output("text"), "Hemp is strong, but it rots.");
    assert_eq!(ran.output("problem"), "");
    assert_eq!(ran.nodes(), ["outline", "draft", "check", "polish"]);
    assert!(ran.prompts()[1].contains("- strong\n- rots"));
    assert!(ran.prompts()[3].contains("Hemp is strong. Hemp rots."));

    let bench = Bench::new(replies(json!(["strong"]), json!([])));
    let ran = bench.run("prompt-chain", topic.clone()).await;
    assert_eq!(ran.nodes(), ["outline", "no-outline"]);
    assert_eq!(ran.output("text"), "");
    assert!(ran.output("problem").as_str().unwrap().contains("has 1"));

    let bench = Bench::new(replies(json!(["strong", "rots"]), json!(["rots"])));
    let ran = bench.run("prompt-chain", topic).await;
    assert_eq!(ran.nodes(), ["outline", "draft", "check", "incomplete"]);
    assert_eq!(ran.output("problem"), "the draft leaves out: rots");
}

#[tokio::test]
async fn router_takes_exactly_one_branch() {
    for label in ["question", "complaint", "order", "other"] {
        let bench = Bench::new(vec![
            to_data("What is this message?", &json!({ "label": label })),
            to("", label),
        ]);
        let ran = bench.run("router", json!({"message": "Hello"})).await;
        assert_eq!(ran.nodes(), ["classify", label]);
        assert_eq!(ran.output("label"), label);
        let calls = if label == "other" { 1 } else { 2 };
        assert_eq!(ran.model_calls(), calls);
    }
    // The set is closed: another label is sent back, and then goes the way of everything else.
    let bench = Bench::new(vec![to_data("", &json!({"label": "poem"}))]);
    let ran = bench.run("router", json!({"message": "Hello"})).await;
    assert_eq!(ran.nodes(), ["classify", "other"]);
    assert_eq!(ran.output("label"), "other");
    assert_eq!(ran.model_calls(), 3);
}

#[tokio::test]
async fn parallel_sections_run_at_the_same_time_and_one_may_fail() {
    let text = json!({"text": "Rope is old."});
    let replies = |tone| {
        let mut replies = vec![
            to("need a source", "none"),
            to("hard to follow", "all clear"),
            to("Make one short review", "Fine."),
        ];
        replies.extend(tone);
        replies
    };
    let meet = ("this text", Barrier::new(3));
    let friendly = Some(to("to a stranger", "friendly"));
    let bench = Bench::with(replies(friendly), Some(meet), Shelf::default());
    let ran = bench.run("parallel-sections", text.clone()).await;
    assert_eq!(ran.output("review"), "Fine.");
    assert_eq!(
        ran.output("sections"),
        &json!({"facts": "none", "clarity": "all clear", "tone": "friendly"})
    );

    let ran = Bench::new(replies(None))
        .run("parallel-sections", text)
        .await;
    assert_eq!(ran.output("review"), "Fine.");
    let sections = ran.output("sections");
    assert_eq!(sections["facts"], "none");
    assert!(
        sections["tone"]
            .as_str()
            .unwrap()
            .starts_with("not reviewed: ")
    );
    assert!(ran.prompts()[3].contains("tone: not reviewed: "));
}

/// Votes in order; an engine without rules gives them one after the other.
fn votes(choices: &[&str]) -> Bench {
    let vote = |choice: &&str| ScriptedReply {
        when: None,
        ..to_data("", &json!({"reason": "because", "choice": choice}))
    };
    let replies = choices.iter().map(vote);
    Bench::new(replies.collect())
}

#[tokio::test]
async fn voting_picks_the_majority_or_nothing() {
    let ask = |count: usize| json!({"question": "Does it hold?", "choices": ["yes", "no"], "votes": count});
    let ran = votes(&["no", "yes", "Yes", "no", "yes"])
        .run("voting", ask(5))
        .await;
    // "Yes" is no choice.
    assert_eq!(ran.output("tally"), &json!([[2, "yes"], [2, "no"]]));
    assert_eq!(ran.output("winner"), "");
    let ran = votes(&["no", "yes", "yes", "perhaps", "yes"])
        .run("voting", ask(5))
        .await;
    assert_eq!(ran.output("tally"), &json!([[3, "yes"], [1, "no"]]));
    assert_eq!(ran.output("winner"), "yes");
    assert_eq!(ran.model_calls(), 5);
    // The script is one short: a lost vote counts for nobody.
    let ran = votes(&["yes", "yes", "yes", "no"])
        .run("voting", ask(5))
        .await;
    assert_eq!(ran.output("winner"), "yes");
    assert_eq!(ran.failed_calls(), 1);
    let ran = votes(&["a", "b", "c"]).run("voting", ask(3)).await;
    assert_eq!(ran.output("tally"), &json!([]));
}

#[tokio::test]
async fn orchestrator_workers_plans_and_bears_a_failed_worker() {
    let part = |title: &str| json!({"title": title, "instructions": format!("Do {title}.")});
    let plan = json!({"parts": [part("alpha"), part("beta"), part("gamma")]});
    let replies = |workers: &[&str]| {
        let mut replies = vec![to_data("Cut this task", &plan)];
        replies.push(to("Put these parts together", "All of it."));
        let worker = |title: &&str| to(&format!("Do {title}."), &format!("{title} is done"));
        replies.extend(workers.iter().map(worker));
        replies
    };
    let task = json!({"task": "Everything"});
    let bench = Bench::new(replies(&["alpha", "beta", "gamma"]));
    let ran = bench.run("orchestrator-workers", task.clone()).await;
    assert_eq!(ran.output("lost"), &json!([]));
    assert_eq!(ran.model_calls(), 5);

    let bench = Bench::new(replies(&["alpha", "gamma"]));
    let ran = bench.run("orchestrator-workers", task.clone()).await;
    assert_eq!(ran.output("report"), "All of it.");
    assert_eq!(ran.output("lost"), &json!(["beta"]));
    let prompts = ran.prompts();
    let last = prompts.last().unwrap();
    // What is there stands under its own title.
    assert!(last.contains("## alpha\nalpha is done"), "{last}");
    assert!(last.contains("## gamma\ngamma is done"), "{last}");
    assert!(last.contains("could not be done: beta"), "{last}");

    let bench = Bench::new(replies(&["alpha"]));
    let ran = bench.run("orchestrator-workers", task).await;
    let RunResult::Failed { node, error } = &ran.end.result else {
        panic!("{:?}", ran.end);
    };
    assert_eq!(node, "work");
    assert!(error.message.contains("2 of 3 items failed"), "{error}");
}

#[tokio::test]
async fn evaluator_optimizer_loops_until_accepted_and_stops_at_the_bound() {
    let judge = |words: &str, accepted: bool| {
        let judgement = json!({"feedback": format!("{words} is too long"), "accepted": accepted});
        to_data(&format!("Text: {words}"), &judgement)
    };
    let task = json!({"task": "Name the knot."});
    let bench = Bench::new(vec![
        judge("first", false),
        judge("second", true),
        to("first is too long", "second"),
        to("Name the knot.", "first"),
    ]);
    let ran = bench.run("evaluator-optimizer", task.clone()).await;
    assert_eq!(ran.nodes(), ["write", "judge", "write", "judge"]);
    assert_eq!(ran.output("text"), "second");
    assert_eq!(ran.output("accepted"), true);
    assert_eq!(ran.output("rounds"), 2);
    assert!(ran.prompts()[2].contains("Your last try:\nfirst"));

    let bench = Bench::new(vec![judge("never good", false), to("", "never good")]);
    let ran = bench.run("evaluator-optimizer", task).await;
    assert_eq!(ran.output("accepted"), false);
    assert_eq!(ran.output("rounds"), 4);
    assert_eq!(ran.model_calls(), 8);
}

#[tokio::test]
async fn map_reduce_reads_every_part_and_keeps_the_order() {
    let bench = Bench::new(vec![
        to(
            "Answer the question from these findings",
            "In May and in July.",
        ),
        to("Part 1:\nOne", "None."),
        to("Part 2:\nTwo", "It broke in May."),
        to("Part 3:\nThree", "It broke in July."),
    ]);
    let document = "One\n\nTwo\n\n\n\nThree\n";
    let inputs = json!({"document": document, "question": "When did it break?"});
    let ran = bench.run("map-reduce", inputs).await;
    assert_eq!(ran.model_calls(), 4);
    assert_eq!(
        ran.output("findings"),
        &json!([[2, "It broke in May"], [3, "It broke in July"]])
    );
    let prompts = ran.prompts();
    assert!(
        prompts[3].contains("Part 2: It broke in May\n\nPart 3: It broke in July"),
        "{}",
        prompts[3]
    );
}

/// Three facts, each found by a search of its own.
fn heights() -> Vec<(&'static str, &'static str, &'static str)> {
    vec![
        ("Anna", "a1", "The mast of the Anna is 30 m high."),
        ("Berta", "b1", "The mast of the Berta is 28 m high."),
        ("Clara", "c1", "The mast of the Clara is 33 m high."),
    ]
}

const TALLEST: &str = "Which of the Anna, the Berta and the Clara has the tallest mast?";

#[tokio::test]
async fn rewoo_calls_the_model_less_often_than_react() {
    let question = json!({ "question": TALLEST });
    let answer = "The Clara, with 33 m [c1].";
    // The agent decides after every search what to look for next.
    let shelf = || Shelf {
        passages: heights(),
        meet: None,
    };
    let replies = vec![
        to("33 m", answer),
        searches("28 m", "mast of the Clara"),
        searches("30 m", "mast of the Berta"),
        searches("", "mast of the Anna"),
    ];
    let bench = Bench::with(replies, None, shelf());
    let react = bench.run("react", question.clone()).await;
    assert_eq!(react.output("answer"), answer);
    assert_eq!(react.output("report")["stop"], "answered");

    let step = |id: &str, ship: &str| json!({"id": id, "kind": "search", "input": format!("mast of the {ship}"), "needs": []});
    let steps = json!({"steps": [step("#E1", "Anna"), step("#E2", "Berta"), step("#E3", "Clara")]});
    let replies = vec![
        to_data("Plan how to answer", &steps),
        to("what these steps have found", answer),
    ];
    // No search ends before all three are under way.
    let shelf = Shelf {
        meet: Some(Barrier::new(3)),
        ..shelf()
    };
    let bench = Bench::with(replies, None, shelf);
    let rewoo = bench.run("rewoo", question).await;
    assert_eq!(rewoo.output("answer"), answer);
    assert_eq!(rewoo.output("passages").as_array().unwrap().len(), 3);
    let mut searched = [react.queries(), rewoo.queries()];
    searched
        .iter_mut()
        .for_each(|queries| queries.sort_unstable());
    assert_eq!(searched[0], searched[1], "both do the same searches");
    assert_eq!((react.model_calls(), rewoo.model_calls()), (4, 2));
}

#[tokio::test]
async fn rewoo_puts_what_was_found_in_place_of_variables() {
    let steps = json!({"steps": [
        {"id": "#E1", "kind": "search", "input": "the ship named after a book", "needs": []},
        {"id": "#E2", "kind": "think", "input": "The title of the book in #E1", "needs": ["#E1"]},
        {"id": "#E3", "kind": "search", "input": "author of #E2", "needs": ["#E2"]},
    ]});
    let bench = Bench::with(
        vec![
            to_data("Plan how to answer", &steps),
            to("The title of the book", " Tides \n"),
            to("what these steps have found", "Ada Lind [p2]."),
        ],
        None,
        Shelf {
            passages: vec![
                ("ship", "p1", "The ship is named after the book Tides."),
                ("Tides", "p2", "Tides was written by Ada Lind."),
            ],
            meet: None,
        },
    );
    let ran = bench.run("rewoo", json!({"question": "Who?"})).await;
    let queries: Vec<&str> = ran.queries().iter().map(|query| query.trim()).collect();
    assert_eq!(queries, ["the ship named after a book", "author of Tides"]);
    let prompts = ran.prompts();
    assert!(prompts[1].contains("#E1: The ship is named after the book Tides."));
    assert!(prompts[2].contains("[p2] Tides was written by Ada Lind."));
    assert_eq!(ran.nodes(), ["plan", "work", "work", "work", "solve"]);

    // A plan that waits for what no step finds ends all the same.
    let steps = json!({"steps": [{"id": "#E1", "kind": "think", "input": "x", "needs": ["#E9"]}]});
    let bench = Bench::new(vec![
        to_data("Plan how to answer", &steps),
        to("what these steps have found", "Nothing was found."),
    ]);
    let ran = bench.run("rewoo", json!({"question": "Who?"})).await;
    assert_eq!(ran.output("answer"), "Nothing was found.");
    assert_eq!(ran.model_calls(), 2);
}

#[tokio::test]
async fn plan_and_solve_adds_drops_and_ends() {
    let tasks = |words: &str, tasks: Value| to_data(words, &json!({ "tasks": tasks }));
    let answer = to(
        "Answer the question from what was found",
        "Both are closed.",
    );
    let bench = Bench::new(vec![
        tasks(
            "Which tasks, in which order",
            json!(["find the shop", "find the mill", "find the port"]),
        ),
        // The third is dropped and another added after the first; nothing is left after it.
        tasks("Done: ask the miller", json!([])),
        tasks("Done: find the shop", json!(["ask the miller"])),
        answer,
        to("ask the miller", "The mill is closed."),
        to("find the shop", "The shop is closed."),
    ]);
    let question = json!({"question": "What is open?"});
    let ran = bench.run("plan-and-solve", question.clone()).await;
    assert_eq!(
        ran.nodes(),
        ["plan", "solve", "replan", "solve", "replan", "answer"]
    );
    assert_eq!(
        ran.output("done"),
        &json!([
            {"task": "find the shop", "result": "The shop is closed."},
            {"task": "ask the miller", "result": "The mill is closed."},
        ])
    );
    // The second agent knows what the first has found.
    assert!(ran.prompts()[3].contains("- find the shop The shop is closed."));

    // A planner that never ends is ended.
    let bench = Bench::new(vec![
        to("Answer the question from what was found", "I do not know."),
        tasks("tasks", json!(["look again"])),
        to("look again", "Nothing."),
    ]);
    let ran = bench.run("plan-and-solve", question).await;
    assert_eq!(ran.output("done").as_array().unwrap().len(), 6);
    assert_eq!(ran.output("answer"), "I do not know.");
}

#[tokio::test]
async fn supervisor_asks_nobody_twice_and_escalates_to_a_person() {
    let next = |words: &str, next: &str| to_data(words, &json!({ "next": next }));
    let question = json!({"question": "Why is my rope blue?"});
    let bench = Bench::new(vec![
        // Would ask technical for ever.
        next("Who should answer", "technical"),
        to("how the product works", "NOT MINE, the dyers know."),
    ]);
    let ran = bench.run("supervisor", question.clone()).await;
    let RunResult::Suspended { .. } = ran.end.result else {
        panic!("{:?}", ran.end);
    };
    assert_eq!(
        ran.nodes(),
        ["supervise", "technical", "heard", "supervise"]
    );
    let store = bench.services.store.as_ref().unwrap();
    let run = ran.end.run;
    let open = store.open_interrupts(Some(run)).await.unwrap();
    assert_eq!(open.len(), 1);
    let asked = &open[0].interrupt;
    assert!(
        asked
            .question
            .contains("technical: NOT MINE, the dyers know.")
    );
    let reply = Reply::Reply {
        value: json!("It was dyed with woad."),
    };
    run::answer(&**store, run, None, &reply).await.unwrap();
    let ran = bench.resume(run).await;
    assert_eq!(ran.output("answer"), "It was dyed with woad.");
    assert_eq!(ran.output("by"), "person");
    assert_eq!(ran.output("tried"), &json!(["technical"]));
    assert_eq!(ran.model_calls(), 0, "nothing is asked again");

    // The second specialist knows, and the answer stays as it was written.
    let bench = Bench::new(vec![
        next("Asked so far: technical", "delivery"),
        next("Who should answer", "technical"),
        to("orders, shipping and returns", "It was sent in blue paper."),
        to("how the product works", "NOT MINE, ask delivery."),
    ]);
    let ran = bench.run("supervisor", question.clone()).await;
    assert_eq!(ran.output("by"), "delivery");
    assert_eq!(ran.output("answer"), "It was sent in blue paper.");
    assert_eq!(ran.output("tried"), &json!(["technical", "delivery"]));

    // Without a supervisor that replies, a person is asked at once.
    let ran = Bench::new(vec![to("", "Who knows?")])
        .run("supervisor", question)
        .await;
    assert_eq!(ran.nodes(), ["supervise"]);
    assert!(matches!(ran.end.result, RunResult::Suspended { .. }));
}

#[tokio::test]
async fn rag_fusion_ranks_by_reciprocal_ranks() {
    let queries = json!({"queries": ["two three", "three four"]});
    let bench = Bench::with(
        vec![
            to_data("Write 3 search queries", &queries),
            to("Answer the question from these passages", "Three [p3]."),
        ],
        None,
        Shelf {
            passages: vec![
                ("one", "p1", "One."),
                ("two", "p2", "Two."),
                ("three", "p3", "Three."),
                ("four", "p4", "Four."),
            ],
            meet: Some(Barrier::new(3)),
        },
    );
    let ran = bench
        .run("rag-fusion", json!({"question": "one two"}))
        .await;
    assert_eq!(
        ran.output("queries"),
        &json!(["one two", "two three", "three four"])
    );
    // By hand, with k = 60: p2 is second and first, p3 second and first, p1 first, p4 second.
    let weight = |ranks: &[f64]| ranks.iter().map(|rank| 1.0 / (60.0 + rank)).sum::<f64>();
    let (p1, p2, p3, p4) = (
        weight(&[1.0]),
        weight(&[2.0, 1.0]),
        weight(&[2.0, 1.0]),
        weight(&[2.0]),
    );
    assert!(p2 == p3 && p3 > p1 && p1 > p4);
    let passages = ran.output("passages").as_array().unwrap();
    let ids: Vec<&str> = passages
        .iter()
        .map(|it| it["id"].as_str().unwrap())
        .collect();
    assert_eq!(ids[2..], ["p1", "p4"]);
    assert!(ids[..2].contains(&"p2") && ids[..2].contains(&"p3"));
    assert_eq!(ran.output("answer"), "Three [p3].");

    // Without other wordings the question itself is searched for.
    let bench = Bench::with(
        vec![to("Answer the question from these passages", "One [p1].")],
        None,
        Shelf {
            passages: vec![("one", "p1", "One.")],
            meet: None,
        },
    );
    let ran = bench.run("rag-fusion", json!({"question": "one"})).await;
    assert_eq!(ran.queries(), ["one"]);
    assert_eq!(ran.output("answer"), "One [p1].");
}

#[tokio::test]
async fn corrective_rag_refines_once_and_then_answers() {
    let grade = |words: &str, verdict: &str, relevant: Value, query: &str| {
        let grade = json!({"verdict": verdict, "relevant": relevant, "query": query});
        to_data(words, &grade)
    };
    let shelf = || Shelf {
        passages: vec![
            ("cord", "p1", "Cord is thin."),
            ("rope", "p2", "Rope is thick."),
            ("rope", "p3", "Rope burns."),
        ],
        meet: None,
    };
    let question = json!({"question": "How thick is a cord of the thick kind?"});
    let replies = || {
        vec![
            to("Answer the question from these passages", "Thick [p2]."),
            grade("[p2]", "use", json!(["p2"]), ""),
            grade("[p1]", "refine", json!([]), "rope"),
        ]
    };
    let bench = Bench::with(replies(), None, shelf());
    let ran = bench.run("corrective-rag", question.clone()).await;
    assert_eq!(
        ran.nodes(),
        ["search", "grade", "search", "grade", "answer"]
    );
    assert_eq!(
        ran.queries(),
        ["How thick is a cord of the thick kind?", "rope"]
    );
    assert_eq!(ran.output("answer"), "Thick [p2].");
    // Only what was graded as relevant is answered from.
    let passages = ran.output("passages").as_array().unwrap();
    assert_eq!(passages.len(), 1);
    assert!(!ran.prompts()[2].contains("Rope burns."));

    // It says that it is not there, at once or when refining leads nowhere.
    for (verdict, searches) in [("absent", 1), ("refine", 3)] {
        let bench = Bench::with(vec![grade("", verdict, json!([]), "cord")], None, shelf());
        let ran = bench.run("corrective-rag", question.clone()).await;
        assert_eq!(ran.output("searches"), searches);
        let answer = ran.output("answer").as_str().unwrap();
        assert!(answer.contains("do not hold the answer"), "{answer}");
    }

    // Or asks a person.
    let bench = Bench::with(vec![grade("", "absent", json!([]), "")], None, shelf());
    let mut asking = question;
    asking["ask"] = json!(true);
    let ran = bench.run("corrective-rag", asking).await;
    assert!(matches!(ran.end.result, RunResult::Suspended { .. }));
}

#[test]
fn agents_in_shipped_graphs_only_read() {
    // `vector__*` would let an agent delete what it searches.
    for name in names().iter().filter(|name| *name != "assistant") {
        for node in graph(name).definition().nodes.values() {
            let Some(agent) = &node.agent else { continue };
            let path = root().join(format!("agents/{}.md", agent.name));
            let text = std::fs::read_to_string(path).unwrap();
            let tools = text.split("\ntools: [").nth(1).unwrap();
            let tools = tools.split(']').next().unwrap();
            for tool in tools.split(", ") {
                assert!(READING.contains(&tool), "{name}: {}: {tool}", agent.name);
            }
        }
    }
}
