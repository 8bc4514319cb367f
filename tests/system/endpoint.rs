//! A remote engine as a user meets it: an endpoint that answers, refuses, stalls or talks nonsense.

use std::convert::Infallible;
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Json;
use axum::response::sse::{Event, Sse};
use axum::routing::post;
use futures::StreamExt;
use futures::stream::{self, BoxStream};
use serde_json::{Value, json};

use crate::program::{Outcome, Place};

/// What the endpoint says to a request: pieces of a streamed reply.
type Say = fn(&Value) -> BoxStream<'static, Value>;

/// An OpenAI-compatible endpoint of our own, and the requests it got.
struct Endpoint {
    address: SocketAddr,
    requests: Arc<Mutex<Vec<Value>>>,
    _runtime: tokio::runtime::Runtime,
}

impl Endpoint {
    fn start(say: Say) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let requests: Arc<Mutex<Vec<Value>>> = Arc::default();
        let seen = Arc::clone(&requests);
        let answer = move |Json(request): Json<Value>| async move {
            let pieces = say(&request).map(|piece| {
                let event = match piece {
                    Value::String(text) => Event::default().data(text),
                    piece => Event::default().data(piece.to_string()),
                };
                Ok::<_, Infallible>(event)
            });
            seen.lock().unwrap().push(request);
            Sse::new(pieces)
        };
        let routes = axum::Router::new().route("/v1/chat/completions", post(answer));
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.spawn(async move {
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            axum::serve(listener, routes).await.unwrap();
        });
        Self {
            address,
            requests,
            _runtime: runtime,
        }
    }

    fn url(&self) -> String {
        format!("http://{}/v1", self.address)
    }
}

fn piece(delta: &Value, finish: Option<&str>) -> Value {
    json!({
        "id": "c1", "object": "chat.completion.chunk", "created": 0, "model": "m",
        "choices": [{"index": 0, "delta": delta, "finish_reason": finish}],
    })
}

fn all(pieces: Vec<Value>) -> BoxStream<'static, Value> {
    let end = json!("[DONE]");
    stream::iter(pieces.into_iter().chain([end])).boxed()
}

/// A folder with one fact in it, and an engine at `url`.
fn shop(url: &str) -> Place {
    let place = Place::new();
    place.write(
        "shop/opening.md",
        "# Opening hours\n\nThe shop opens at nine.\n",
    );
    let engine = format!(
        "[engine]\nkind = \"openai\"\nmodel = \"m\"\nbase_url = \"{url}\"\nmax_retries = 0\n\
         first_token_timeout = 2\nidle_timeout = 2\n"
    );
    place.write("ropewalk.toml", engine);
    place
}

fn ask(place: &Place) -> Outcome {
    place.run(&["ask", "When does it open?", "--docs", "shop", "--json"])
}

fn answer(outcome: &Outcome) -> String {
    let report: Value =
        serde_json::from_str(&outcome.out).unwrap_or_else(|error| panic!("{error}: {outcome:?}"));
    report["answer"].as_str().unwrap().to_owned()
}

/// The id of a citation in the results so far.
fn found_id(request: &Value) -> Option<String> {
    let messages = request["messages"].as_array().unwrap();
    let result = messages.iter().find(|message| message["role"] == "tool")?;
    let content = result["content"].as_str().unwrap();
    let (_, rest) = content.split_once("\"id\":\"")?;
    Some(rest.split('"').next().unwrap().to_owned())
}

/// Searches first, with arguments that arrive in two pieces; then cites what the search returned
/// and something that nothing did; told so, only what resolves.
fn corrects_itself(request: &Value) -> BoxStream<'static, Value> {
    let Some(id) = found_id(request) else {
        let call = |arguments: &str| {
            json!({"tool_calls": [{"index": 0, "id": "call_1", "type": "function",
                "function": {"name": "vector__search", "arguments": arguments}}]})
        };
        return all(vec![
            piece(&call("{\"query\": "), None),
            piece(&call("\"opening hours\"}"), None),
            piece(&json!({}), Some("tool_calls")),
        ]);
    };
    let told = request["messages"].to_string().contains(INVENTED);
    let rest = if told { "" } else { INVENTED };
    all(vec![
        piece(
            &json!({"content": format!("It opens at nine [{id}]. ")}),
            None,
        ),
        piece(&json!({"content": rest}), None),
        piece(&json!({}), Some("stop")),
    ])
}

/// As [`corrects_itself`], and never does.
fn insists(request: &Value) -> BoxStream<'static, Value> {
    match found_id(request) {
        None => corrects_itself(request),
        Some(_) => all(vec![piece(&json!({"content": INVENTED}), Some("stop"))]),
    }
}

const INVENTED: &str = "Closed on Mondays [p99999999].";

#[test]
fn a_model_searches_and_only_citations_that_resolve_reach_the_user() {
    let endpoint = Endpoint::start(corrects_itself);
    let outcome = ask(&shop(&endpoint.url()));
    assert_eq!(outcome.code, Some(0), "{outcome:?}");
    let report: Value = serde_json::from_str(&outcome.out).unwrap();
    let citations = report["citations"].as_array().unwrap();
    assert_eq!(citations.len(), 1, "{report}");
    assert_eq!(citations[0]["source"], "shop/opening.md");
    let id = citations[0]["id"].as_str().unwrap();
    assert_eq!(answer(&outcome).trim(), format!("It opens at nine [{id}]."));
    assert_eq!(report["engine"], "openai:m");
    let requests = endpoint.requests.lock().unwrap();
    assert_eq!(requests.len(), 3, "search, wrong answer, right answer");
    assert!(requests[0]["tools"].to_string().contains("vector__search"));

    let endpoint = Endpoint::start(insists);
    let outcome = ask(&shop(&endpoint.url()));
    assert_eq!(outcome.code, Some(1), "{outcome:?}");
    let text = answer(&outcome);
    assert!(
        text.contains("withheld") && !text.contains("Mondays"),
        "{text}"
    );
}

#[test]
fn an_endpoint_that_stalls_is_left_after_its_time() {
    let silent = Endpoint::start(|_| stream::pending().boxed());
    let outcome = ask(&shop(&silent.url()));
    assert_eq!(outcome.code, Some(1), "{outcome:?}");
    assert!(
        answer(&outcome).contains("sent nothing for 2 s"),
        "{outcome:?}"
    );
    let halting = Endpoint::start(|_| {
        let first = piece(&json!({"content": "At ni"}), None);
        let never = stream::once(async {
            tokio::time::sleep(Duration::from_secs(600)).await;
            json!("[DONE]")
        });
        stream::iter([first]).chain(never).boxed()
    });
    let outcome = ask(&shop(&halting.url()));
    assert_eq!(outcome.code, Some(1), "{outcome:?}");
    assert!(
        answer(&outcome).contains("while waiting for more"),
        "{outcome:?}"
    );
}

#[test]
fn an_endpoint_that_refuses_or_answers_html_is_named() {
    let refused = ask(&shop("http://127.0.0.1:1/v1"));
    assert_eq!(refused.code, Some(1), "{refused:?}");
    assert!(
        answer(&refused).contains("cannot reach http://127.0.0.1:1/v1"),
        "{refused:?}"
    );
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        use std::io::{Read, Write};
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let _ = stream.read(&mut [0; 65536]);
            let body = "<html>hello</html>";
            let head = "HTTP/1.1 200 OK\r\ncontent-type: text/html\r\nconnection: close\r\n";
            let _ = write!(stream, "{head}content-length: {}\r\n\r\n{body}", body.len());
        }
    });
    let html = ask(&shop(&format!("http://{address}/v1")));
    assert_eq!(html.code, Some(1), "{html:?}");
    assert!(
        answer(&html).contains("did not answer as an OpenAI-compatible endpoint"),
        "{html:?}"
    );
}

/// Writes SQL where it is told of tables; anything else would be a mistake.
fn writes_sql(request: &Value) -> BoxStream<'static, Value> {
    let told = request["messages"][0]["content"].to_string();
    let sql = if told.contains("Write one SQLite SELECT") && told.contains("Question:") {
        "SELECT city FROM customer GROUP BY city ORDER BY COUNT(*) DESC LIMIT 1"
    } else {
        "SELECT nothing"
    };
    all(vec![
        piece(&json!({"role": "assistant", "content": sql}), None),
        piece(&json!({}), Some("stop")),
        json!({
            "id": "c1", "object": "chat.completion.chunk", "created": 0, "model": "m",
            "choices": [], "usage": {"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120},
        }),
    ])
}

#[test]
fn a_question_to_a_database_is_answered_by_what_the_model_writes() {
    let endpoint = Endpoint::start(writes_sql);
    let place = shop(&endpoint.url());
    let customers = "id,name,city\n1,Ada,Karlsruhe\n2,Grace,Paris\n3,Edsger,Paris\n";
    place.write("customer.csv", customers);
    let question = "Where would a travelling salesman knock on most doors?";
    let outcome = place.run(&["ask", "--db", "customer.csv", "--json", question]);
    let report: Value = serde_json::from_str(&outcome.out).unwrap();
    assert_eq!(
        report["answer"],
        format!(
            "city: Paris [{}]",
            report["citations"][0]["id"].as_str().unwrap()
        )
    );
    let usage = &report["usage"];
    assert_eq!(
        (&usage["input_tokens"], &usage["output_tokens"]),
        (&json!(300), &json!(60)),
        "what the server has written is counted: {report}"
    );
    let requests = endpoint.requests.lock().unwrap();
    assert_eq!(requests.len(), 3, "three statements are asked for");
    assert!(
        requests[0]["messages"][0]["content"]
            .as_str()
            .unwrap()
            .contains("customer")
    );
    assert_eq!(requests[0]["temperature"], 0.0);
}
