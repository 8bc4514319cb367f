//! Engines with windows and prices: conversations that are shortened, calls that go to a cheaper
//! engine, replies that another engine gave.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use ropewalk_core::event::{EffectOutcome, EffectRequest, Event};
use ropewalk_core::graph::diagnostic::Code;
use ropewalk_core::message::{ChatReply, ChatRequest, Message, Usage};
use ropewalk_core::tokens;
use ropewalk_core::tool::ToolCall;
use ropewalk_engine::definitions::Definitions;
use ropewalk_engine::report::{StepKind, Steps};
use ropewalk_engine::run::{self, RunOptions, RunResult};
use ropewalk_engine::services::{Engines, NoTools, OneEngine, Services, StandIn};
use ropewalk_models::choose::{EngineConfig, EngineKind, Resources};
use ropewalk_models::engine::{Cheaper, DeltaSink, Engine, EngineError, EngineInfo};
use ropewalk_models::registry::Registry;
use ropewalk_models::route::cascade::{Cascade, CascadeConfig};
use ropewalk_models::scripted::Scripted;
use serde_json::{Map, Value, json};

use crate::place::{Place, agent_graph, graph};

/// Calls a tool so often, and then answers. Every call costs money where it has a price.
struct Busy {
    info: EngineInfo,
    calls: usize,
    price: u64,
    cheaper: Option<Cheaper>,
    turns: AtomicUsize,
    asked: Mutex<Vec<ChatRequest>>,
}

impl Busy {
    fn new(id: &str, calls: usize) -> Self {
        Self {
            info: EngineInfo {
                id: id.to_owned(),
                tools: true,
                ..EngineInfo::default()
            },
            calls,
            price: 0,
            cheaper: None,
            turns: AtomicUsize::new(0),
            asked: Mutex::default(),
        }
    }

    fn window(mut self, tokens: u64) -> Self {
        self.info.context_tokens = Some(tokens);
        self
    }

    fn price(mut self, micros: u64) -> Self {
        self.info.charges = micros > 0;
        self.price = micros;
        self
    }

    fn asked(&self) -> Vec<ChatRequest> {
        self.asked.lock().unwrap().clone()
    }
}

fn is_summary(request: &ChatRequest) -> bool {
    matches!(&request.messages[0], Message::System { text } if text.starts_with("You condense"))
}

#[async_trait]
impl Engine for Busy {
    fn info(&self) -> &EngineInfo {
        &self.info
    }

    fn cheaper(&self) -> Option<Cheaper> {
        self.cheaper.clone()
    }

    async fn chat(&self, request: ChatRequest, _: DeltaSink) -> Result<ChatReply, EngineError> {
        let usage = Usage {
            input_tokens: tokens::estimate(&request).tokens,
            output_tokens: 10,
            cached_tokens: 0,
            cost_micros: self.price,
        };
        let says = |text: &str| ChatReply {
            text: text.to_owned(),
            usage,
            ..ChatReply::default()
        };
        let summary = is_summary(&request);
        let last = request.tools.is_empty();
        self.asked.lock().unwrap().push(request);
        if summary {
            return Ok(says("Reading went well so far."));
        }
        let turn = self.turns.fetch_add(1, Ordering::SeqCst);
        if turn >= self.calls || last {
            return Ok(says("Done."));
        }
        let call = ToolCall {
            id: String::new(),
            name: "srv__read".to_owned(),
            arguments: json!({"turn": turn, "words": "word ".repeat(60)}),
        };
        Ok(ChatReply {
            calls: vec![call],
            ..says("")
        })
    }
}

fn place(engine: Arc<dyn Engine>) -> Place {
    let mut place = Place::new();
    place.services.engines = Arc::new(OneEngine(engine));
    place
}

fn compactions(events: &[Event]) -> usize {
    let decided = |event: &&Event| {
        matches!(event, Event::EffectStarted { request: EffectRequest::Decision { about }, .. }
            if about == "compaction")
    };
    events.iter().filter(decided).count()
}

#[tokio::test]
async fn a_conversation_that_outgrows_its_engine_is_shortened_and_replays_the_same() {
    let engine = Arc::new(Busy::new("narrow", 9).window(1_100));
    let place = place(engine.clone());
    let graph = agent_graph("{}");
    let outputs = place.outputs(&graph, json!({})).await;
    assert_eq!(outputs["said"], json!("Done."));
    assert_eq!(outputs["report"]["tool_calls"], json!(9));
    let asked = engine.asked();
    for request in &asked {
        assert!(tokens::estimate(request).at_most() <= 1_100 - 275);
    }
    assert!(asked.iter().any(is_summary));
    let shortened = |request: &ChatRequest| {
        request.messages.iter().any(
            |message| matches!(message, Message::User { text } if text.contains("Reading went well")),
        )
    };
    assert!(shortened(asked.last().unwrap()));
    let decided = compactions(&place.happened());
    assert!((1..asked.len() / 2).contains(&decided), "{decided}");
    // The head is never rewritten: what the engine has read of it is of use to every turn.
    let heads: Vec<&[Message]> = asked
        .iter()
        .filter(|request| !is_summary(request))
        .map(|request| &request.messages[..2])
        .collect();
    assert!(heads.windows(2).all(|pair| pair[0] == pair[1]));

    // A replay knows nothing of the window: the log tells it what was decided.
    assert_eq!(replayed(&place).await, outputs);
}

/// What comes of the log alone, without any engine.
async fn replayed(place: &Place) -> Map<String, Value> {
    let events = place.events.lock().unwrap().clone();
    let services = Services {
        engines: Arc::new(StandIn(Arc::new(Scripted::new(Vec::new())))),
        tools: Arc::new(NoTools),
        functions: Arc::default(),
        store: None,
    };
    let again = run::replay(&services, events, None, RunOptions::default()).await;
    match again.unwrap().result {
        RunResult::Completed { outputs } => (*outputs).clone(),
        other => panic!("{other:?}"),
    }
}

/// Gives a reply that fits a schema, and is told of it or not.
struct Holds(EngineInfo);

#[async_trait]
impl Engine for Holds {
    fn info(&self) -> &EngineInfo {
        &self.0
    }

    async fn chat(&self, request: ChatRequest, _: DeltaSink) -> Result<ChatReply, EngineError> {
        let told = request.messages.iter().any(
            |message| matches!(message, Message::System { text } if text.contains("JSON schema")),
        );
        assert_ne!(told, self.0.structured_output);
        Ok(ChatReply {
            text: "{\"a\": 1}".to_owned(),
            ..ChatReply::default()
        })
    }
}

#[tokio::test]
async fn a_recording_replays_whether_its_engine_could_hold_to_a_schema_or_not() {
    let text = "
name: held
channels: {a: object}
nodes:
  a: {model: {prompt: count, schema: {type: object, required: [a]}}, writes: a}
";
    for structured_output in [true, false] {
        let info = EngineInfo {
            id: "holds".to_owned(),
            structured_output,
            ..EngineInfo::default()
        };
        let place = place(Arc::new(Holds(info)));
        let outputs = place.outputs(&graph(text), json!({})).await;
        assert_eq!(outputs["a"], json!({"a": 1}));
        assert_eq!(replayed(&place).await, outputs);
    }
}

#[tokio::test]
async fn a_run_broken_off_anywhere_goes_on_with_an_engine_of_another_window() {
    let whole = place(Arc::new(Busy::new("narrow", 9).window(1_100)));
    let graph = agent_graph("{}");
    whole.outputs(&graph, json!({})).await;
    let events = whole.events.lock().unwrap().clone();
    let called = |events: &[Event]| {
        let effect = |event: &&Event| {
            matches!(
                event,
                Event::EffectEnded {
                    outcome: EffectOutcome::Tool { .. },
                    ..
                }
            )
        };
        events.iter().filter(effect).count()
    };
    for end in (2..events.len() - 2).step_by(3) {
        // As many turns as are left of nine.
        let past: Vec<Event> = events[..end].iter().map(|it| it.event.clone()).collect();
        let rest = Arc::new(Busy::new("other", 9 - called(&past)).window(1_500));
        let place = place(rest);
        let run = events[0].run;
        let claim = place.store.claim(run).await.unwrap();
        place
            .store
            .append(Default::default(), events[..end].to_vec());
        place.store.flush(run).await.unwrap();
        drop(claim);
        let end_of_run = place.resume(run).await.unwrap();
        let RunResult::Completed { outputs } = end_of_run.result else {
            panic!("broken off at {end}: {:?}", end_of_run.result)
        };
        assert_eq!(outputs["said"], json!("Done."), "{end}");
    }
}

#[tokio::test]
async fn a_question_that_never_fits_fails_with_what_to_do() {
    let place = place(Arc::new(Busy::new("tiny", 1).window(60)));
    let end = place.run(&agent_graph("{}"), json!({})).await;
    let RunResult::Failed { error, .. } = end.result else {
        panic!("{end:?}")
    };
    assert!(error.message.contains("context_tokens"), "{error}");
    let details = error.details.unwrap();
    assert_eq!(details["stop"], json!("context_full"));
}

fn cheap(id: &str, price: u64, below: f64) -> (Arc<Busy>, Arc<Busy>) {
    let cheap = Arc::new(Busy::new(id, 5).price(price));
    let mut dear = Busy::new("dear", 9).price(1_000_000);
    dear.cheaper = Some(Cheaper {
        below,
        engine: cheap.clone(),
    });
    (Arc::new(dear), cheap)
}

#[tokio::test]
async fn a_cheaper_engine_takes_over_when_the_budget_runs_low() {
    let (dear, cheap) = cheap("cheap", 1_000, 0.5);
    let place = place(dear.clone());
    let outputs = place.outputs(&agent_graph("{cost: 10}"), json!({})).await;
    assert_eq!(outputs["said"], json!("Done."));
    // Half of the money is gone after five calls, and less than half is left after six.
    assert_eq!((dear.asked().len(), cheap.asked().len()), (6, 6));
    let mut steps = Steps::new(false);
    let events = place.events.lock().unwrap().clone();
    events.iter().for_each(|event| steps.take(event));
    let models = steps
        .records()
        .iter()
        .filter(|step| step.kind == StepKind::Model);
    let names: Vec<&str> = models.map(|step| step.name.as_str()).collect();
    assert_eq!((names[5], names[6]), ("dear", "cheap"));
}

#[tokio::test]
async fn an_engine_that_costs_nothing_goes_on_when_the_money_is_spent_and_may_degrade() {
    // Without a word on degrading the end of the money is the end.
    for (budget, price, goes_on) in [
        ("{cost: 2, on_exceed: degrade}", 0, true),
        ("{cost: 2, on_exceed: degrade}", 1_000_000, false),
        ("{cost: 2}", 0, false),
    ] {
        let (dear, cheap) = cheap("cheap", price, 0.1);
        let place = place(dear.clone());
        let end = place.run(&agent_graph(budget), json!({})).await;
        let done = match &end.result {
            RunResult::Completed { outputs } => outputs["said"] == json!("Done."),
            _ => false,
        };
        assert_eq!(done, goes_on, "{budget}: {end:?}");
        assert_eq!(cheap.asked().len(), if goes_on { 6 } else { 0 });
        assert_eq!(dear.asked().len(), 2);
    }
}

#[tokio::test]
async fn a_call_with_more_tokens_than_are_left_is_not_made() {
    let engine = Arc::new(Busy::new("m", 0));
    let place = place(engine.clone());
    let text = format!(
        "
name: long
channels: {{a: string}}
nodes:
  a: {{model: {{prompt: '{}'}}, writes: a}}
budget: {{tokens: 100}}
",
        "word ".repeat(200)
    );
    let end = place.run(&graph(&text), json!({})).await;
    let RunResult::Failed { error, .. } = end.result else {
        panic!("{end:?}")
    };
    assert!(error.message.contains("tokens"), "{error}");
    assert_eq!(engine.asked().len(), 0);
}

#[tokio::test]
async fn the_log_says_which_engine_of_a_cascade_answered() {
    let fixed = |text: &str| {
        let reply = ropewalk_models::scripted::ScriptedReply {
            text: text.to_owned(),
            when: Some("say".to_owned()),
            ..Default::default()
        };
        Arc::new(Scripted::new(vec![reply])) as Arc<dyn Engine>
    };
    let stages = vec![fixed(""), fixed("word")];
    let cascade = Cascade::new("c", &CascadeConfig::default(), stages).unwrap();
    let place = place(Arc::new(cascade));
    let text = "
name: one
channels: {a: string, by: string}
nodes:
  a: {model: {prompt: say a}, writes: {a: result, by: details.engine}}
";
    let outputs = place.outputs(&graph(text), json!({})).await;
    assert_eq!(
        (&outputs["a"], &outputs["by"]),
        (&json!("word"), &json!("scripted"))
    );
    let mut steps = Steps::new(false);
    let events = place.events.lock().unwrap().clone();
    events.iter().for_each(|event| steps.take(event));
    let step = &steps.records()[0];
    assert_eq!(
        (step.name.as_str(), step.answered_by.as_deref()),
        ("cascade:c", Some("scripted"))
    );
    assert_eq!(step.passed_over[0].reason, "the reply is empty");
    let lines = ropewalk_engine::step_lines(steps.records(), false).concat();
    assert!(lines.contains("by scripted") && lines.contains("not scripted: the reply is empty"));
}

#[test]
fn a_graph_may_only_name_engines_that_exist() {
    let named = BTreeMap::from([("small".to_owned(), EngineConfig::of(EngineKind::Extractive))]);
    let resources = Resources::shipped("/nowhere");
    let registry = Registry::new(&EngineConfig::default(), &named, &resources).unwrap();
    assert!(
        Engines::engine(&registry, Some("big"))
            .err()
            .unwrap()
            .contains("small")
    );
    let folder = tempfile::tempdir().unwrap();
    let agents = folder.path().join("agents");
    std::fs::create_dir_all(&agents).unwrap();
    let codes = |engine: &str, node: &str| {
        let agent = format!("---\nname: helper\nengine: {engine}\n---\nHelp.\n");
        std::fs::write(agents.join("helper.md"), agent).unwrap();
        let text =
            format!("name: g\nnodes:\n  a: {{agent: {{name: helper, prompt: Do it.{node}}}}}\n");
        let file = folder.path().join("g.yaml");
        std::fs::write(&file, text).unwrap();
        let definitions = Definitions::new(Vec::new()).with_engines(&registry);
        let compiled = definitions.compile(file.to_str().unwrap()).unwrap();
        let codes: Vec<Code> = compiled.diagnostics.iter().map(|it| it.code).collect();
        codes
    };
    assert_eq!(codes("small", ""), []);
    assert_eq!(codes("default", ""), []);
    assert_eq!(codes("big", ""), [Code::UnknownEngine]);
    assert_eq!(codes("small", ", engine: big"), [Code::UnknownEngine]);
    // The node's own word is the one that counts.
    assert_eq!(codes("big", ", engine: small"), []);
}
