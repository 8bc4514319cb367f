//! What servers ask during a call, and who answers.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use ropewalk_core::message::Usage;
use ropewalk_core::tool::ToolOutcome;
use ropewalk_host::inquiry::{Answer, Desk, Inquiry, Wants};
use ropewalk_host::sampling::{SampleAsked, Sampled, Sampler};
use ropewalk_host::{Caller, Endpoint, Host, HostOptions, ServerConfig};
use serde_json::{Map, Value, json};
use tokio_util::sync::CancellationToken;

use crate::scripted::{at, call, caller, modern, said, start, stream, to, tool, website};

/// A person who answers everything with their name, after a while.
struct Person {
    name: &'static str,
    after: Duration,
    asked: Mutex<Vec<Inquiry>>,
}

impl Person {
    fn new(name: &'static str) -> Arc<Self> {
        Self::slow(name, Duration::ZERO)
    }

    fn slow(name: &'static str, after: Duration) -> Arc<Self> {
        Arc::new(Self {
            name,
            after,
            asked: Mutex::default(),
        })
    }

    fn asked(&self) -> Vec<Inquiry> {
        self.asked.lock().unwrap().clone()
    }
}

#[async_trait]
impl Desk for Person {
    async fn ask(&self, inquiry: Inquiry) -> Answer {
        self.asked.lock().unwrap().push(inquiry.clone());
        tokio::time::sleep(self.after).await;
        match inquiry.wants {
            Wants::Form { .. } => {
                Answer::Accepted(Map::from_iter([("name".to_owned(), json!(self.name))]))
            }
            Wants::Url { .. } => Answer::Accepted(Map::new()),
        }
    }
}

fn question() -> Value {
    json!({"method": "elicitation/create", "params": {"message": "Who are you?",
        "requestedSchema": {"type": "object", "properties": {"name": {"type": "string"},
        "polite": {"type": "boolean", "default": true}}, "required": ["name"]}}})
}

fn with(desk: &Arc<Person>) -> HostOptions {
    let desk: Arc<dyn Desk> = desk.clone();
    HostOptions {
        desk,
        ..HostOptions::default()
    }
}

/// A server of the older protocol that asks during each call, and answers with what it heard.
fn older() -> tokio::io::DuplexStream {
    let open: Arc<Mutex<Vec<(Value, Value)>>> = Arc::default();
    let capabilities: Arc<Mutex<Value>> = Arc::default();
    stream(move |message, out| {
        let id = message["id"].clone();
        let reply = |result: Value| {
            let _ = out.send(json!({"jsonrpc": "2.0", "id": id, "result": result}));
        };
        match message["method"].as_str() {
            Some("initialize") => {
                *capabilities.lock().unwrap() = message["params"]["capabilities"].clone();
                reply(
                    json!({"protocolVersion": "2025-11-25", "capabilities": {"tools": {}},
                    "serverInfo": {"name": "older", "version": "1"}}),
                );
            }
            Some("tools/list") => {
                let ask = json!({"name": "ask", "inputSchema": {"type": "object"},
                    "annotations": {"readOnlyHint": true}});
                reply(json!({"tools": [ask, tool("able"), tool("sample"), tool("roots")]}));
            }
            Some("tools/call") => {
                let name = message["params"]["name"].as_str().unwrap().to_owned();
                let mut asked = match name.as_str() {
                    "able" => {
                        let able = capabilities.lock().unwrap().to_string();
                        return reply(json!({"content": [{"type": "text", "text": able}]}));
                    }
                    "ask" => question(),
                    "sample" => json!({"method": "sampling/createMessage", "params":
                        {"maxTokens": 7, "systemPrompt": "be short", "messages":
                        [{"role": "user", "content": {"type": "text", "text": "hello"}}]}}),
                    _ => json!({"method": "roots/list"}),
                };
                let own = json!(format!("q{id}"));
                open.lock().unwrap().push((own.clone(), id));
                asked["id"] = own;
                asked["jsonrpc"] = json!("2.0");
                let _ = out.send(asked);
            }
            None => {
                let mut open = open.lock().unwrap();
                let found = open.iter().position(|(own, _)| *own == message["id"]);
                let (_, id) = open.remove(found.unwrap());
                let heard = message.get("result").or(message.get("error")).unwrap();
                let _ = out.send(json!({"jsonrpc": "2.0", "id": id, "result":
                    {"content": [{"type": "text", "text": heard.to_string()}]}}));
            }
            Some("notifications/initialized" | "notifications/cancelled") => {}
            Some(_) => {
                let _ = out.send(json!({"jsonrpc": "2.0", "id": id,
                    "error": {"code": -32601, "message": "no such method"}}));
            }
        }
    })
}

async fn older_host(options: HostOptions) -> Host {
    let servers = vec![("s".to_owned(), Endpoint::BuiltIn(older()))];
    let (host, failures) = Host::start(servers, options).await;
    assert_eq!(failures, []);
    host
}

fn heard(outcome: &ToolOutcome) -> Value {
    serde_json::from_str(outcome.text()).unwrap_or_else(|_| panic!("{outcome:?}"))
}

#[tokio::test]
async fn a_question_of_an_older_server_reaches_the_desk_of_the_call() {
    let (house, guest) = (Person::new("house"), Person::new("guest"));
    let host = older_host(with(&house)).await;
    let outcome = call(&host, "s__ask", json!({})).await;
    assert_eq!(
        heard(&outcome),
        json!({"action": "accept", "content": {"name": "house", "polite": true}})
    );
    let asked = &house.asked()[0];
    assert_eq!(
        (asked.server.as_str(), asked.message.as_str()),
        ("s", "Who are you?")
    );
    let cancel = CancellationToken::new();
    let desk: Arc<dyn Desk> = guest.clone();
    let own = Caller {
        desk: Some(desk),
        ..caller(&cancel)
    };
    let outcome = host.call(&to("s__ask", json!({})), own).await;
    assert_eq!(heard(&outcome)["content"]["name"], "guest");
}

#[tokio::test]
async fn a_question_never_reaches_somebody_else() {
    let (house, guest) = (Person::new("house"), Person::new("guest"));
    let host = older_host(with(&house)).await;
    let cancel = CancellationToken::new();
    let desk: Arc<dyn Desk> = guest.clone();
    let own = Caller {
        desk: Some(desk),
        ..caller(&cancel)
    };
    // Over a stream nothing says which of the two calls a question belongs to.
    let ask = to("s__ask", json!({}));
    let (first, second) = tokio::join!(host.call(&ask, own), host.call(&ask, caller(&cancel)));
    for outcome in [first, second] {
        assert_eq!(heard(&outcome), json!({"action": "decline"}));
    }
    assert_eq!((house.asked().len(), guest.asked().len()), (0, 0));
    // With the same person behind both it does not matter.
    let (first, second) = tokio::join!(
        host.call(&ask, caller(&cancel)),
        host.call(&ask, caller(&cancel))
    );
    for outcome in [first, second] {
        assert_eq!(heard(&outcome)["content"]["name"], "house");
    }
}

#[tokio::test]
async fn with_nobody_there_servers_are_told_so() {
    let host = older_host(HostOptions::default()).await;
    let able = heard(&call(&host, "s__able", json!({})).await);
    assert_eq!(able, json!({}), "nothing is declared that is not served");
    let outcome = call(&host, "s__ask", json!({})).await;
    assert_eq!(heard(&outcome), json!({"action": "decline"}));
    let outcome = call(&host, "s__sample", json!({})).await;
    assert!(outcome.text().contains("not offered"), "{outcome:?}");
    let outcome = call(&host, "s__roots", json!({})).await;
    assert!(
        outcome.text().contains("no folders are offered"),
        "{outcome:?}"
    );
}

struct Parrot;

#[async_trait]
impl Sampler for Parrot {
    async fn complete(&self, asked: SampleAsked) -> Result<Sampled, String> {
        let system = asked.system.unwrap_or_default();
        let text = format!(
            "{system}: {} ({})",
            asked.messages[0].text, asked.max_tokens
        );
        Ok(Sampled {
            text,
            model: "parrot".to_owned(),
            usage: Usage::default(),
            cut: false,
        })
    }
}

/// The newer protocol: the same wishes in rounds.
fn newer(method: &str, parameters: &Value) -> Value {
    if method != "tools/call" {
        let names = [
            "ask", "sample", "roots", "endless", "visit", "stateful", "able",
        ];
        return modern(method, names.iter().map(|name| tool(name)).collect());
    }
    let name = parameters["name"].as_str().unwrap();
    let answers = parameters.get("inputResponses");
    let more =
        |request: Value| json!({"resultType": "input_required", "inputRequests": {"q": request}});
    match (name, answers) {
        ("able", _) => {
            said(&parameters["_meta"]["io.modelcontextprotocol/clientCapabilities"].to_string())
        }
        ("endless", _) => json!({"resultType": "input_required", "requestState": "again"}),
        ("visit", _) => {
            static VISITED: std::sync::atomic::AtomicBool =
                std::sync::atomic::AtomicBool::new(false);
            if VISITED.swap(true, std::sync::atomic::Ordering::SeqCst) {
                said("welcome back")
            } else {
                json!({"code": -32042, "message": "Sign in first", "data": {"elicitations":
                    [{"mode": "url", "message": "Sign in", "url": "https://example.com/in",
                    "elicitationId": "1"}]}})
            }
        }
        ("stateful", None) => {
            let mut more = more(question());
            more["requestState"] = json!("kept ünchanged");
            more
        }
        ("stateful", Some(answers)) => said(&format!("{} {answers}", parameters["requestState"])),
        (_, Some(answers)) => {
            assert!(parameters.get("requestState").is_none());
            said(&answers["q"].to_string())
        }
        ("ask", None) => more(question()),
        ("sample", None) => more(json!({"method": "sampling/createMessage", "params":
            {"maxTokens": 7, "systemPrompt": "be short", "messages":
            [{"role": "user", "content": {"type": "text", "text": "hello"}}]}})),
        (_, None) => more(json!({"method": "roots/list"})),
    }
}

#[tokio::test]
async fn rounds_of_the_newer_protocol_are_answered_and_bounded() {
    let site = website(0, |method, parameters, _| newer(method, parameters)).await;
    let person = Person::new("ada");
    let (host, failures) = start(at(&site.url), with(&person)).await;
    assert_eq!(failures, Vec::<String>::new());
    let outcome = call(&host, "s__ask", json!({})).await;
    assert_eq!(
        heard(&outcome)["content"],
        json!({"name": "ada", "polite": true})
    );
    let outcome = call(&host, "s__stateful", json!({})).await;
    assert!(
        outcome.text().starts_with("\"kept ünchanged\""),
        "{outcome:?}"
    );
    let outcome = call(&host, "s__endless", json!({})).await;
    assert!(
        outcome.text().contains("asked for more input 10 times"),
        "{outcome:?}"
    );
    let outcome = call(&host, "s__visit", json!({})).await;
    assert_eq!(outcome.text(), "welcome back");
    let last = person.asked().pop().unwrap();
    let url = "https://example.com/in".to_owned();
    assert_eq!(last.wants, Wants::Url { url });
    let able = heard(&call(&host, "s__able", json!({})).await);
    assert!(
        able.get("elicitation").is_some() && able.get("sampling").is_none(),
        "{able}"
    );
    for refused in ["s__sample", "s__roots"] {
        let outcome = call(&host, refused, json!({})).await;
        assert!(outcome.text().contains("may not have"), "{outcome:?}");
    }
}

#[tokio::test]
async fn completions_and_folders_are_served_where_the_configuration_says_so() {
    let site = website(0, |method, parameters, _| newer(method, parameters)).await;
    let folder = tempfile::tempdir().unwrap();
    let config = ServerConfig {
        sampling: true,
        roots: vec![folder.path().to_owned()],
        ..at(&site.url)
    };
    let options = HostOptions {
        sampler: Some(Arc::new(Parrot)),
        ..HostOptions::default()
    };
    let (host, _) = start(config, options).await;
    let sampled = heard(&call(&host, "s__sample", json!({})).await);
    assert_eq!(sampled["content"]["text"], "be short: hello (7)");
    assert_eq!(sampled["model"], "parrot");
    let roots = heard(&call(&host, "s__roots", json!({})).await);
    let uri = roots["roots"][0]["uri"].as_str().unwrap();
    assert!(
        uri.starts_with("file:///") && uri.ends_with(folder.path().to_str().unwrap()),
        "{uri}"
    );
    let able = heard(&call(&host, "s__able", json!({})).await);
    assert!(
        able.get("elicitation").is_none() && able.get("sampling").is_some(),
        "{able}"
    );
}

#[tokio::test]
async fn a_person_may_take_longer_than_a_server() {
    let site = website(0, |method, parameters, _| newer(method, parameters)).await;
    let person = Person::slow("ada", Duration::from_millis(1_500));
    let config = ServerConfig {
        timeout_s: Some(1),
        max_timeout_s: Some(1),
        ..at(&site.url)
    };
    let (host, _) = start(config, with(&person)).await;
    let outcome = call(&host, "s__ask", json!({})).await;
    assert_eq!(heard(&outcome)["action"], "accept");
}
