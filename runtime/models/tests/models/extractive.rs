//! The extractive engine over small passages: what it answers, what it declines, how it reads.

use std::sync::OnceLock;

use ropewalk_core::message::{ChatReply, ChatRequest, Delta, FinishReason, Message};
use ropewalk_core::tool::{ToolHints, ToolOutcome, ToolSpec};
use ropewalk_embed::Embedder;
use ropewalk_models::engine::{DeltaSink, Engine, EngineError};
use ropewalk_models::extractive::{Extractive, NOTHING_FOUND};
use serde_json::{Value, json};

/// Title, quote.
const PASSAGES: [(&str, &str); 12] = [
    (
        "Backup tool > Restore > How to restore a single file",
        "Restoring needs the snapshot's name and the path inside it:\n\n```sh\nvault restore \
         --snapshot nightly-3 --path etc/hosts\n```\n\nThe file is written next to the original with \
         the suffix `.restored`. Existing files are never overwritten.",
    ),
    (
        "Backup tool > Configuration",
        "Snapshots are kept for 30 days by default. Set `retention_days` in `vault.toml` to change \
         this. The encryption key is read from the variable VAULT_KEY. Port 8443 serves the \
         status page.",
    ),
    (
        "Backup tool > Installation",
        "The tool needs Linux 5.10 or newer and 200 MB of memory. Install it with the package \
         manager, e.g. with apt. Windows is not supported.",
    ),
    (
        "Kitchen notes > Sourdough bread",
        "Mix 500 g of flour with 350 g of water and let it rest for an hour. Add 100 g of starter \
         and 10 g of salt. Bake at 240 degrees Celsius for 45 minutes with steam in the first 15. \
         The loaf is done when it sounds hollow.",
    ),
    (
        "Kitchen notes > Lentil soup",
        "Rinse the red lentils until the water is clear. Fry onions and cumin in olive oil, then \
         add the lentils and a litre of stock. Simmer for 20 minutes. Lemon juice goes in last.",
    ),
    (
        "Staff handbook > Leave",
        "Every employee has 28 days of paid leave a year. Up to five unused days may be carried \
         over into the next year; they expire at the end of March. Parental leave is 16 weeks on \
         full pay.",
    ),
    (
        "Staff handbook > Travel",
        "Trains are preferred for journeys under six hours. Hotel costs are refunded up to 140 \
         euros a night. Expense claims must be filed within 60 days and need receipts.",
    ),
    (
        "Staff handbook > Remote work",
        "Employees may work from home three days a week. Working from abroad needs the approval of \
         the head of the department and is limited to 20 days a year.",
    ),
    (
        "Astronomy primer > Moons of Jupiter",
        "Galileo Galilei discovered the four largest moons of Jupiter in 1610. Ganymede is the \
         largest moon in the solar system, larger than the planet Mercury. Europa probably has an \
         ocean of liquid water beneath its ice.",
    ),
    (
        "Astronomy primer > Comets",
        "A comet is a body of ice and dust. Its tail always points away from the Sun because of \
         the solar wind. Halley's Comet returns every 75 to 79 years.",
    ),
    (
        "Queue library > Limits",
        "| setting | default |\n|---|---|\n| max_message_bytes | 262144 |\n| visibility_timeout | 30 \
         seconds |\n\nA message that is received five times without being deleted moves to the \
         dead-letter queue.",
    ),
    (
        "Queue library > Ordering",
        "Messages with the same group key are delivered in the order they were sent. There is no \
         ordering between groups. Throughput is limited to 300 messages per second per group.",
    ),
];

/// Question, and words that its answer must have.
const ANSWERABLE: [(&str, &str); 20] = [
    ("How do I restore a single file?", "vault restore"),
    ("How long are snapshots kept?", "30 days"),
    ("Where is the encryption key read from?", "VAULT_KEY"),
    ("Which Linux version does the backup tool need?", "5.10"),
    ("Is Windows supported?", "Windows is not supported"),
    (
        "At what temperature is sourdough bread baked?",
        "240 degrees",
    ),
    ("How much flour is needed for sourdough bread?", "500 g"),
    ("How long does the lentil soup simmer?", "20 minutes"),
    (
        "How many days of paid leave does an employee have?",
        "28 days",
    ),
    ("How long is parental leave?", "16 weeks"),
    ("How much is refunded for a hotel per night?", "140 euros"),
    ("When must expense claims be filed?", "60 days"),
    (
        "How many days a week may employees work from home?",
        "three days",
    ),
    (
        "Who discovered the four largest moons of Jupiter?",
        "Galileo",
    ),
    ("What is the largest moon in the solar system?", "Ganymede"),
    (
        "Which moon probably has an ocean of liquid water?",
        "Europa",
    ),
    (
        "Why does a comet's tail point away from the Sun?",
        "solar wind",
    ),
    ("How often does Halley's Comet return?", "75 to 79 years"),
    (
        "When does a message move to the dead-letter queue?",
        "five times",
    ),
    ("What is the default visibility_timeout?", "30 seconds"),
];

const FOREIGN: [&str; 14] = [
    "What is the capital of Mongolia?",
    "Who won the football World Cup in 1998?",
    "How do I reset my Netflix password?",
    "What is the boiling point of mercury?",
    "Who wrote Pride and Prejudice?",
    "How does photosynthesis work in algae?",
    "What is the exchange rate between the yen and the dollar?",
    "How do I train a neural network with PyTorch?",
    "When was the Treaty of Westphalia signed?",
    "Which vaccine protects against measles?",
    "What is love?",
    "How many players are in a rugby team?",
    "What are the side effects of ibuprofen?",
    "How do I change the oil of a Toyota Corolla?",
];

fn embedder() -> Embedder {
    static SHIPPED: OnceLock<Embedder> = OnceLock::new();
    SHIPPED.get_or_init(|| Embedder::shipped().unwrap()).clone()
}

/// Eight passages as a search would give them: by cosine with the question.
fn hits(question: &str) -> Value {
    let embedder = embedder();
    let asked = embedder.embed(&[question]).unwrap().remove(0);
    static VECTORS: OnceLock<Vec<Vec<f32>>> = OnceLock::new();
    let vectors = VECTORS.get_or_init(|| {
        let texts: Vec<String> = PASSAGES.iter().map(|(t, q)| format!("{t}\n{q}")).collect();
        embedder.embed(&texts).unwrap()
    });
    let mut scored: Vec<(f32, usize)> = vectors
        .iter()
        .enumerate()
        .map(|(at, vector)| (ropewalk_embed::cosine(&asked, vector), at))
        .collect();
    scored.sort_by(|a, b| b.0.total_cmp(&a.0));
    let citations: Vec<Value> = scored
        .iter()
        .take(8)
        .map(|(score, at)| {
            let (title, quote) = PASSAGES[*at];
            json!({"id": format!("p{at}"), "source": format!("doc{at}.md"), "title": title,
                   "quote": quote, "score": score})
        })
        .collect();
    json!({"citations": citations})
}

async fn reply_to(question: &str, outcome: ToolOutcome) -> ChatReply {
    let request = ChatRequest {
        messages: vec![
            Message::System {
                text: "Answer.".into(),
            },
            Message::User {
                text: question.into(),
            },
            Message::Tool {
                call_id: "call_1".into(),
                name: "vector__search".into(),
                outcome,
            },
        ],
        ..ChatRequest::default()
    };
    Extractive::new(embedder())
        .chat(request, DeltaSink::none())
        .await
        .unwrap()
}

async fn answer(question: &str) -> ChatReply {
    let structured = Some(hits(question));
    reply_to(
        question,
        ToolOutcome::Ok {
            text: String::new(),
            structured,
        },
    )
    .await
}

#[tokio::test]
async fn answers_what_the_passages_hold_and_declines_what_they_do_not() {
    let (mut refused, mut wrong, mut answered) = (Vec::new(), Vec::new(), Vec::new());
    for (question, words) in ANSWERABLE {
        let reply = answer(question).await;
        if reply.abstained {
            refused.push(question);
        } else if !reply.text.contains(words) {
            wrong.push((question, reply.text));
        }
    }
    for question in FOREIGN {
        let reply = answer(question).await;
        if !reply.abstained {
            answered.push((question, reply.text));
        } else {
            assert!(reply.text.starts_with(NOTHING_FOUND), "{}", reply.text);
            assert!(
                reply.text.contains("[p"),
                "names the closest: {}",
                reply.text
            );
        }
    }
    assert!(
        answered.is_empty(),
        "foreign questions answered: {answered:#?}"
    );
    assert!(
        refused.len() <= 2,
        "answerable questions refused: {refused:?}"
    );
    assert!(wrong.len() <= 1, "answers without the fact: {wrong:#?}");
}

#[tokio::test]
async fn a_code_block_stays_whole_beside_its_introduction() {
    let reply = answer("How do I restore a single file?").await;
    let block = "Restoring needs the snapshot's name and the path inside it:\n\n```sh\nvault restore \
                 --snapshot nightly-3 --path etc/hosts\n```";
    assert!(reply.text.contains(block), "{}", reply.text);
    assert!(reply.text.contains("[p0]"), "{}", reply.text);
}

#[tokio::test]
async fn a_table_row_comes_with_its_head() {
    let reply = answer("What is the default visibility_timeout?").await;
    let rows = "| setting | default |\n|---|---|\n";
    assert!(reply.text.contains(rows), "{}", reply.text);
}

#[tokio::test]
async fn the_same_question_gives_the_same_answer() {
    let question = "How often does Halley's Comet return?";
    assert_eq!(answer(question).await, answer(question).await);
}

#[tokio::test]
async fn references_of_the_document_do_not_pass_for_citations() {
    let citation = json!({"id": "a1", "source": "x.md", "title": "Comets", "score": 0.9,
        "quote": "Halley's Comet returns every 75 to 79 years [12]."});
    let outcome = ToolOutcome::Ok {
        text: String::new(),
        structured: Some(json!({"citations": [citation]})),
    };
    let reply = reply_to("How often does Halley's Comet return?", outcome).await;
    assert_eq!(
        reply.text,
        "Halley's Comet returns every 75 to 79 years (12). [a1]"
    );
}

#[tokio::test]
async fn a_tool_without_citations_is_named_instead() {
    let outcome = ToolOutcome::Ok {
        text: "Halley's Comet returns every 75 to 79 years. It was seen in 1986.".into(),
        structured: Some(json!({"years": [75, 79]})),
    };
    let reply = reply_to("How often does Halley's Comet return?", outcome).await;
    let expected = "Halley's Comet returns every 75 to 79 years. (from vector__search)";
    assert_eq!(reply.text, expected);
}

#[tokio::test]
async fn failed_calls_are_told_in_the_tools_own_words() {
    let outcome = ToolOutcome::Error {
        message: "the collection `docs` does not exist".into(),
    };
    let reply = reply_to("How often does Halley's Comet return?", outcome).await;
    assert!(reply.abstained);
    assert!(reply.text.starts_with(NOTHING_FOUND), "{}", reply.text);
    assert!(
        reply
            .text
            .contains("vector__search failed: the collection `docs` does not exist")
    );
}

#[tokio::test]
async fn an_empty_result_is_told() {
    let outcome = ToolOutcome::Ok {
        text: "no hits".into(),
        structured: Some(json!({"citations": []})),
    };
    let reply = reply_to("How often does Halley's Comet return?", outcome).await;
    assert!(
        reply.abstained && reply.text.contains("no passages"),
        "{}",
        reply.text
    );
}

fn tool(name: &str, description: &str, argument: &str, hints: ToolHints) -> ToolSpec {
    ToolSpec {
        name: name.into(),
        description: description.into(),
        input_schema: json!({"type": "object", "properties": {argument: {"type": "string"}},
                             "required": [argument]}),
        output_schema: None,
        hints,
    }
}

#[tokio::test]
async fn the_question_goes_to_the_tool_that_fits() {
    let read = ToolHints {
        read_only: true,
        destructive: false,
        ..ToolHints::default()
    };
    let question = "What does the handbook say about parental leave?";
    let mut request = ChatRequest {
        messages: vec![Message::User {
            text: question.into(),
        }],
        tools: vec![
            tool(
                "vector__ingest",
                "Read files into the collection.",
                "path",
                ToolHints::default(),
            ),
            tool(
                "vector__search",
                "Search the documents for passages.",
                "query",
                read,
            ),
            tool(
                "weather__forecast",
                "Weather forecast for a city.",
                "query",
                read,
            ),
        ],
        ..ChatRequest::default()
    };
    let engine = Extractive::new(embedder());
    let reply = engine
        .chat(request.clone(), DeltaSink::none())
        .await
        .unwrap();
    assert_eq!(reply.finish, FinishReason::ToolCalls);
    assert_eq!(reply.calls[0].name, "vector__search");
    assert_eq!(reply.calls[0].arguments, json!({"query": question}));
    request.tools.truncate(1);
    let none = engine.chat(request, DeltaSink::none()).await.unwrap();
    assert!(
        none.abstained && none.text.starts_with(NOTHING_FOUND),
        "{}",
        none.text
    );
}

#[tokio::test]
async fn the_text_comes_as_one_delta() {
    let (sender, mut receiver) = tokio::sync::mpsc::unbounded_channel();
    let request = ChatRequest {
        messages: vec![Message::User {
            text: "why?".into(),
        }],
        ..ChatRequest::default()
    };
    let reply = Extractive::new(embedder())
        .chat(request, DeltaSink::new(sender))
        .await
        .unwrap();
    assert_eq!(
        receiver.recv().await,
        Some(Delta::Text { text: reply.text })
    );
    assert_eq!(receiver.recv().await, None);
}

#[tokio::test]
async fn a_schema_for_the_reply_is_refused() {
    let request = ChatRequest {
        messages: vec![Message::User {
            text: "why?".into(),
        }],
        response_schema: Some(json!({})),
        ..ChatRequest::default()
    };
    let error = Extractive::new(embedder())
        .chat(request, DeltaSink::none())
        .await
        .unwrap_err();
    assert!(matches!(error, EngineError::BadRequest { .. }), "{error}");
}
