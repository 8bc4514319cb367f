//! Conversations that outgrow their engine's window.

use proptest::prelude::*;
use ropewalk_core::agent::{AgentMachine, Input, Room, Step};
use ropewalk_core::answer::{Answer, StopReason};
use ropewalk_core::citation;
use ropewalk_core::definition::AgentDefinition;
use ropewalk_core::message::{ChatReply, ChatRequest, Message};
use ropewalk_core::tokens;
use ropewalk_core::tool::{ToolCall, ToolHints, ToolOutcome, ToolSpec};
use serde_json::json;

const QUOTE: &str = "The refund period is thirty days from the day of delivery, in writing.";

fn machine() -> AgentMachine {
    let text = "---\nname: a\nlimits: {model_calls: 90, tool_calls: 300}\n---\nAnswer with care.";
    let definition = AgentDefinition::parse("a.md", text).unwrap();
    let spec = ToolSpec {
        name: "search".to_owned(),
        description: "Finds passages.".to_owned(),
        input_schema: json!({"type": "object", "properties": {"q": {"type": "string"}}}),
        output_schema: None,
        hints: ToolHints::default(),
    };
    AgentMachine::new(&definition, vec![spec], "How long is the refund period?")
}

/// A tool's result of so many words, with so many passages.
fn found(turn: usize, at: usize, words: usize, passages: usize) -> ToolOutcome {
    let hits: Vec<_> = (0..passages)
        .map(|hit| {
            let id = format!("p{turn}-{at}-{hit}");
            json!({"citation": {"id": id, "source": "a.md", "quote": QUOTE, "score": 0.5}})
        })
        .collect();
    let text: String = (0..words)
        .map(|word| format!("word{word} of the result\n"))
        .collect();
    ToolOutcome::Ok {
        text,
        structured: Some(json!({"hits": hits, "noise": "x".repeat(words)})),
    }
}

/// One turn of a model: what it says, and the sizes of the results it asks for.
#[derive(Debug, Clone)]
struct Turn {
    says: usize,
    results: Vec<(usize, usize)>,
}

/// What a summary comes to.
#[derive(Debug, Clone, Copy)]
enum Summary {
    Short,
    Long,
    Empty,
    Fails,
    NoBudget,
}

/// A window, and how far the engine's own count is from the estimate.
#[derive(Debug, Clone, Copy)]
struct Engine {
    most: u64,
    percent: u64,
    summarise: bool,
    summary: Summary,
}

impl Engine {
    fn count(&self, request: &ChatRequest) -> u64 {
        (tokens::estimate(request).tokens * self.percent).div_ceil(100)
    }
}

fn turns() -> impl Strategy<Value = Vec<Turn>> {
    let result = prop_oneof![3 => 0_usize..40, 2 => 40_usize..400, 1 => 400_usize..2_500];
    let results = prop::collection::vec((result, 0_usize..6), 1..4);
    let turn = (0_usize..200, results).prop_map(|(says, results)| Turn { says, results });
    prop::collection::vec(turn, 1..14)
}

fn engines() -> impl Strategy<Value = Engine> {
    let summary = prop_oneof![
        4 => Just(Summary::Short),
        1 => Just(Summary::Long),
        1 => Just(Summary::Empty),
        1 => Just(Summary::Fails),
        1 => Just(Summary::NoBudget),
    ];
    (
        200_u64..6_000,
        50_u64..200,
        prop::bool::weighted(0.8),
        summary,
    )
        .prop_map(|(most, percent, summarise, summary)| Engine {
            most,
            percent,
            summarise,
            summary,
        })
}

fn reply(text: String, calls: Vec<ToolCall>) -> Input {
    Input::Reply {
        reply: ChatReply {
            text,
            calls,
            ..ChatReply::default()
        },
    }
}

fn pairs_hold(messages: &[Message]) {
    let mut open: Vec<&str> = Vec::new();
    for message in messages {
        match message {
            Message::Tool { call_id, .. } => {
                assert_eq!(open.first(), Some(&call_id.as_str()), "{messages:?}");
                open.remove(0);
            }
            other => {
                assert!(open.is_empty(), "results are missing: {messages:?}");
                if let Message::Assistant { calls, .. } = other {
                    open = calls.iter().map(|call| call.id.as_str()).collect();
                }
            }
        }
    }
    assert!(open.is_empty());
}

/// What holds at every step, whatever has been left out.
fn sound(machine: &AgentMachine, head: &[Message]) {
    let stored = machine.to_json().unwrap();
    let again = AgentMachine::from_json(&stored).unwrap();
    assert_eq!(&again, machine);
    assert_eq!(again.next(), machine.next());
    assert_eq!(&machine.messages()[..2], head);
    pairs_hold(machine.messages());
    for message in machine.messages() {
        if let Message::Tool { outcome, .. } = message
            && let Some(structured) = outcome.structured()
        {
            for citation in citation::collect(structured) {
                assert_eq!(citation.quote, QUOTE);
                assert!(machine.citations().contains(&citation));
            }
        }
    }
}

/// Brings the next request into the window, as who runs a machine does. Gives back how many
/// compactions and summaries that took.
fn fit(machine: &mut AgentMachine, engine: Engine, head: &[Message]) -> usize {
    let mut steps = 0;
    let mut previous = None;
    while let Step::CallModel(request) = machine.next() {
        sound(machine, head);
        assert!(steps < 200, "it does not come to an end");
        let counted = engine.count(&request);
        if counted > engine.most * 8 / 10 && previous.as_ref() != Some(&request) {
            steps += 1;
            let before = tokens::estimate(&request).tokens;
            let summarised = machine.summarises();
            let room = Room {
                counted,
                most: engine.most,
                target: engine.most / 2,
                summarise: engine.summarise,
            };
            machine.feed(Input::Compact { room }).unwrap();
            if !summarised
                && !machine.summarises()
                && let Step::CallModel(after) = machine.next()
            {
                let now = tokens::estimate(&after).tokens;
                assert!(now < before || after == request && counted <= engine.most);
            }
            previous = Some(request);
            continue;
        }
        if !machine.summarises() {
            assert!(counted <= engine.most, "{counted} of {}", engine.most);
            return steps;
        }
        steps += 1;
        assert!(
            counted <= engine.most,
            "a summary needs {counted} of {}",
            engine.most
        );
        assert!(request.tools.is_empty() && request.sampling.max_tokens.is_some());
        machine
            .feed(match engine.summary {
                Summary::Short => reply("Thirty days [p0-0-0].".to_owned(), Vec::new()),
                Summary::Long => reply("It goes on and on. ".repeat(2_000), Vec::new()),
                Summary::Empty => reply(String::new(), Vec::new()),
                Summary::Fails => Input::ModelFailed {
                    message: "broken".to_owned(),
                },
                Summary::NoBudget => Input::BudgetSpent {
                    message: "spent".to_owned(),
                },
            })
            .unwrap();
    }
    steps
}

fn answer(machine: &AgentMachine) -> Option<Answer> {
    match machine.next() {
        Step::Done(answer) => Some(*answer),
        _ => None,
    }
}

fn play(machine: &mut AgentMachine, number: usize, turn: &Turn) {
    let calls = turn.results.iter().enumerate().map(|(at, _)| ToolCall {
        // The same ids come again and again: they must be told apart all the same.
        id: format!("call_{}", at + 1),
        name: "search".to_owned(),
        arguments: json!({"q": format!("{number} {at}")}),
    });
    machine
        .feed(reply("thinking aloud ".repeat(turn.says), calls.collect()))
        .unwrap();
    let Step::JudgeCalls(calls) = machine.next() else {
        panic!("{:?}", machine.next())
    };
    for call in calls {
        let allowed = Input::Judged {
            call_id: call.id,
            allowed: true,
            reason: String::new(),
            arguments: None,
        };
        machine.feed(allowed).unwrap();
    }
    let Step::CallTools(calls) = machine.next() else {
        panic!("{:?}", machine.next())
    };
    for (at, (call, (words, passages))) in calls.iter().zip(&turn.results).enumerate() {
        machine
            .feed(Input::ToolResult {
                call_id: call.id.clone(),
                outcome: found(number, at, *words, *passages),
                untrusted: None,
            })
            .unwrap();
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn whatever_is_said_the_next_request_fits_or_it_ends_with_words(
        turns in turns(),
        engine in engines(),
    ) {
        let mut machine = machine();
        let head = machine.messages().to_vec();
        let mut passages = 0;
        for (number, turn) in turns.iter().enumerate() {
            fit(&mut machine, engine, &head);
            if let Some(answer) = answer(&machine) {
                prop_assert_eq!(answer.stop, StopReason::ContextFull);
                let room = format!("room for {}", engine.most);
                prop_assert!(answer.text.contains(&room));
                return Ok(());
            }
            play(&mut machine, number, turn);
            passages += turn.results.iter().map(|(_, passages)| passages).sum::<usize>();
        }
        // What was found is known, though it may be in no message any more.
        prop_assert_eq!(machine.citations().len(), passages);
        fit(&mut machine, engine, &head);
        if answer(&machine).is_none() {
            let first = machine.citations().first().cloned();
            let says = match &first {
                Some(citation) => format!("Thirty days [{}].", citation.id),
                None => "Nobody knows.".to_owned(),
            };
            machine.feed(reply(says, Vec::new())).unwrap();
            let answer = answer(&machine).unwrap();
            prop_assert_eq!(answer.stop, StopReason::Answered);
            prop_assert_eq!(answer.citations.first(), first.as_ref());
        }
    }

    #[test]
    fn what_fits_is_left_alone(turns in turns(), engine in engines()) {
        let mut machine = machine();
        let head = machine.messages().to_vec();
        for (number, turn) in turns.iter().enumerate() {
            fit(&mut machine, engine, &head);
            if answer(&machine).is_some() {
                return Ok(());
            }
            let before = machine.clone();
            let Step::CallModel(request) = machine.next() else { panic!() };
            let counted = engine.count(&request);
            let room = Room { counted, most: 2 * counted + 2, target: counted, summarise: true };
            machine.feed(Input::Compact { room }).unwrap();
            prop_assert_eq!(&machine, &before);
            play(&mut machine, number, turn);
        }
    }
}

fn talked(turns: usize, words: usize) -> AgentMachine {
    let mut machine = machine();
    for number in 0..turns {
        let turn = Turn {
            says: 3,
            results: vec![(words, 2)],
        };
        play(&mut machine, number, &turn);
    }
    machine
}

fn room(machine: &AgentMachine, most: u64) -> Room {
    let Step::CallModel(request) = machine.next() else {
        panic!()
    };
    Room {
        counted: tokens::estimate(&request).tokens,
        most,
        target: most / 2,
        summarise: true,
    }
}

#[test]
fn results_are_trimmed_before_anything_is_summarised() {
    let mut machine = talked(4, 200);
    let room = room(&machine, 5_000);
    machine.feed(Input::Compact { room }).unwrap();
    assert!(!machine.summarises() && machine.compactions() == 0);
    let results: Vec<&str> = machine
        .messages()
        .iter()
        .filter_map(|message| match message {
            Message::Tool { outcome, .. } => Some(outcome.text()),
            _ => None,
        })
        .collect();
    assert!(
        results[0].starts_with("word0 of the result"),
        "{}",
        results[0]
    );
    assert!(
        results[0].contains("[result of call_1 trimmed: "),
        "{}",
        results[0]
    );
    assert!(
        results[0].contains("[p0-0-1] The refund period"),
        "{}",
        results[0]
    );
    // The latest is whole.
    assert!(!results[3].contains("trimmed") && results[3].contains("word199"));
}

#[test]
fn older_rounds_become_a_summary_in_parts_that_fit() {
    let mut machine = talked(12, 30);
    let head = machine.messages().to_vec();
    let room = room(&machine, 1_400);
    machine.feed(Input::Compact { room }).unwrap();
    let mut parts = 0;
    while machine.summarises() {
        let Step::CallModel(request) = machine.next() else {
            panic!()
        };
        let Message::User { text } = &request.messages[1] else {
            panic!()
        };
        assert!(text.contains("The question is: How long is the refund period?"));
        assert!(tokens::estimate(&request).tokens <= 1_400);
        parts += 1;
        machine
            .feed(reply(
                format!("Part {parts}: thirty days [p0-0-0]."),
                Vec::new(),
            ))
            .unwrap();
    }
    assert!(parts > 1, "{parts}");
    let messages = machine.messages();
    assert_eq!(messages[..2], head[..2]);
    let Message::User { text } = &messages[2] else {
        panic!("{messages:?}")
    };
    assert!(text.contains("Part 1: thirty days [p0-0-0]"), "{text}");
    // Passages that the summary leaves out are named after it.
    assert!(
        text.contains("[p0-0-1]") && !text.contains("word0"),
        "{text}"
    );
    assert_eq!(machine.compactions(), 1);
    // The latest round is as it was.
    assert_eq!(messages.last(), head.last());
}

#[test]
fn a_window_that_is_outgrown_turn_by_turn_is_not_compacted_turn_by_turn() {
    let engine = Engine {
        most: 3_000,
        percent: 100,
        summarise: true,
        summary: Summary::Short,
    };
    let mut machine = machine();
    let head = machine.messages().to_vec();
    let mut compacted = 0;
    for number in 0..60 {
        compacted += usize::from(fit(&mut machine, engine, &head) > 0);
        let turn = Turn {
            says: 2,
            results: vec![(8, 1)],
        };
        play(&mut machine, number, &turn);
    }
    // Far fewer than turns: each time it becomes half of what may be sent.
    assert!((2..=10).contains(&compacted), "{compacted}");
}

#[test]
fn a_question_larger_than_the_window_ends_with_what_to_do() {
    let mut machine = machine();
    let room = Room {
        counted: 900,
        most: 100,
        target: 50,
        summarise: true,
    };
    machine.feed(Input::Compact { room }).unwrap();
    let answer = answer(&machine).unwrap();
    assert_eq!(answer.stop, StopReason::ContextFull);
    assert!(answer.text.contains("900 tokens") && answer.text.contains("context_tokens"));
}

#[test]
fn a_summary_that_cannot_be_written_is_replaced_by_what_was_done() {
    let mut machine = talked(12, 30);
    let room = room(&machine, 1_400);
    machine.feed(Input::Compact { room }).unwrap();
    assert!(machine.summarises());
    let failed = Input::ModelFailed {
        message: "broken".to_owned(),
    };
    machine.feed(failed).unwrap();
    let Message::User { text } = &machine.messages()[2] else {
        panic!()
    };
    assert!(text.contains("Called search as call_1"), "{text}");
    assert!(text.contains("[p0-0-0]"), "{text}");
}
