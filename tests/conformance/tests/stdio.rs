//! What the official suite checks over HTTP, over standard input and output: it has no scenarios
//! for that transport.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may panic"
)]

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use serde_json::{Value, json};

/// The server as a child, spoken to line by line.
struct Server {
    child: Child,
    input: ChildStdin,
    lines: Receiver<Value>,
    /// Sent with every request, where the protocol wants it.
    meta: Option<Value>,
    id: u64,
    /// Notifications that came on the way.
    heard: Vec<Value>,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Server {
    fn spawn(meta: Option<Value>) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_conformance-server"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let input = child.stdin.take().unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            for line in output.lines() {
                let message = serde_json::from_str(&line.unwrap()).expect("only the protocol");
                if sender.send(message).is_err() {
                    return;
                }
            }
        });
        Self {
            child,
            input,
            lines,
            meta,
            id: 0,
            heard: Vec::new(),
        }
    }

    /// With the handshake of 2025-11-25 done, by a client that can be asked anything.
    fn older() -> Self {
        let mut server = Self::spawn(None);
        let hello = json!({"protocolVersion": "2025-11-25",
            "capabilities": {"elicitation": {}, "sampling": {}, "roots": {}},
            "clientInfo": {"name": "test", "version": "1"}});
        let answer = server.ask("initialize", hello);
        assert_eq!(answer["protocolVersion"], "2025-11-25");
        server.send(json!({"method": "notifications/initialized"}));
        server
    }

    /// A client of 2026-07-28 that can do what it says.
    fn newer(capabilities: Value) -> Self {
        Self::spawn(Some(json!({
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientInfo": {"name": "test", "version": "1"},
            "io.modelcontextprotocol/clientCapabilities": capabilities,
        })))
    }

    fn send(&mut self, mut message: Value) {
        message["jsonrpc"] = json!("2.0");
        writeln!(self.input, "{message}").unwrap();
    }

    fn next(&self) -> Value {
        let next = self.lines.recv_timeout(Duration::from_secs(20));
        next.expect("no message came")
    }

    /// The whole answer, error or not. Requests of the server on the way are answered by `reply`.
    fn exchange(
        &mut self,
        method: &str,
        mut parameters: Value,
        mut reply: impl FnMut(&Value) -> Value,
    ) -> Value {
        if let Some(meta) = &self.meta {
            parameters["_meta"] = meta.clone();
        }
        self.id += 1;
        let id = self.id;
        self.send(json!({"id": id, "method": method, "params": parameters}));
        loop {
            let message = self.next();
            if message.get("method").is_none() {
                assert_eq!(message["id"], id, "{message}");
                return message;
            }
            match message.get("id") {
                Some(asked) => {
                    let answer = json!({"id": asked, "result": reply(&message)});
                    self.send(answer);
                }
                None => self.heard.push(message),
            }
        }
    }

    fn ask(&mut self, method: &str, parameters: Value) -> Value {
        let mut answer = self.exchange(method, parameters, |asked| panic!("was asked {asked}"));
        assert!(answer.get("error").is_none(), "{answer}");
        answer["result"].take()
    }

    fn refused(&mut self, method: &str, parameters: Value) -> Value {
        let mut answer = self.exchange(method, parameters, |asked| panic!("was asked {asked}"));
        answer["error"].take()
    }

    fn call(&mut self, tool: &str, arguments: Value) -> Value {
        self.ask("tools/call", json!({"name": tool, "arguments": arguments}))
    }
}

/// The content of the suite's fixtures, which is the same in both eras.
fn gives_everything(mut server: Server) {
    let tools = server.ask("tools/list", json!({}));
    let tools = tools["tools"].as_array().unwrap();
    assert!(tools.iter().all(|tool| {
        tool["description"].is_string() && tool["inputSchema"]["type"] == "object"
    }));
    let kinds = |result: &Value| -> Vec<String> {
        let blocks = result["content"].as_array().unwrap().iter();
        blocks
            .map(|block| block["type"].as_str().unwrap().to_owned())
            .collect()
    };
    for (tool, wanted) in [
        ("test_simple_text", vec!["text"]),
        ("test_image_content", vec!["image"]),
        ("test_audio_content", vec!["audio"]),
        ("test_embedded_resource", vec!["resource"]),
        (
            "test_multiple_content_types",
            vec!["text", "image", "resource"],
        ),
    ] {
        assert_eq!(kinds(&server.call(tool, json!({}))), wanted, "{tool}");
    }
    let failed = server.call("test_error_handling", json!({}));
    assert_eq!(failed["isError"], true);
    let text = server.ask("resources/read", json!({"uri": "test://static-text"}));
    let words = "This is the content of the static text resource.";
    assert_eq!(text["contents"][0]["text"], words);
    let bytes = server.ask("resources/read", json!({"uri": "test://static-binary"}));
    assert!(bytes["contents"][0]["blob"].is_string());
    let templates = server.ask("resources/templates/list", json!({}));
    assert_eq!(templates["resourceTemplates"].as_array().unwrap().len(), 1);
    let data = server.ask("resources/read", json!({"uri": "test://template/123/data"}));
    assert!(
        data["contents"][0]["text"]
            .as_str()
            .unwrap()
            .contains("123")
    );
    let uri = "test://template/../data";
    assert!(server.refused("resources/read", json!({"uri": format!("{uri}/x")}))["code"].is_i64());
    let prompts = server.ask("prompts/list", json!({}));
    assert!(prompts["prompts"].as_array().unwrap().len() >= 4);
    let given = json!({"arg1": "one", "arg2": "two"});
    let prompt = json!({"name": "test_prompt_with_arguments", "arguments": given});
    let messages = server.ask("prompts/get", prompt)["messages"].to_string();
    assert!(messages.contains("arg1='one', arg2='two'"), "{messages}");
    let missing = server.refused("prompts/get", json!({"name": "test_prompt_with_arguments"}));
    assert!(
        missing["message"].as_str().unwrap().contains("arg1, arg2"),
        "{missing}"
    );
    let reference = json!({"type": "ref/prompt", "name": "test_prompt_with_arguments"});
    let typed = json!({"ref": reference, "argument": {"name": "arg1", "value": "par"}});
    let completed = server.ask("completion/complete", typed);
    assert_eq!(
        completed["completion"]["values"],
        json!(["paris", "park", "party"])
    );
    let unknown = server.refused("tools/call", json!({"name": "test_simple_txt"}));
    let message = unknown["message"].as_str().unwrap();
    assert!(
        message.contains("did you mean `test_simple_text`?"),
        "{message}"
    );
    assert_eq!(server.refused("no/such", json!({}))["code"], -32601);
    let token = json!({"name": "test_tool_with_progress", "arguments": {}});
    server.meta = Some(match server.meta.take() {
        Some(mut meta) => {
            meta["progressToken"] = json!("p");
            meta
        }
        None => json!({"progressToken": "p"}),
    });
    server.heard.clear();
    server.ask("tools/call", token);
    let done: Vec<&Value> = server
        .heard
        .iter()
        .map(|report| &report["params"]["progress"])
        .collect();
    assert_eq!(done, [0.0, 50.0, 100.0], "{:?}", server.heard);
}

#[test]
fn older_clients_are_given_everything() {
    gives_everything(Server::older());
}

#[test]
fn newer_clients_are_given_everything() {
    gives_everything(Server::newer(json!({})));
}

#[test]
fn older_clients_are_asked_while_the_call_waits() {
    let mut server = Server::older();
    let mut call = |tool: &str, arguments: Value, reply: Value| {
        let parameters = json!({"name": tool, "arguments": arguments});
        let mut asked = Vec::new();
        let answer = server.exchange("tools/call", parameters, |request| {
            asked.push(request["method"].as_str().unwrap().to_owned());
            reply.clone()
        });
        (
            asked,
            answer["result"]["content"][0]["text"]
                .as_str()
                .unwrap()
                .to_owned(),
        )
    };
    let said = json!({"role": "assistant", "model": "m", "content": {"type": "text", "text": "4"}});
    let (asked, text) = call("test_sampling", json!({"prompt": "2+2"}), said);
    assert_eq!(asked, ["sampling/createMessage"]);
    assert_eq!(text, "LLM response: 4");
    let filled = json!({"action": "accept", "content": {"username": "ada", "email": "a@b.c"}});
    let (asked, text) = call("test_elicitation", json!({"message": "Who?"}), filled);
    assert_eq!(asked, ["elicitation/create"]);
    assert!(
        text.contains("action=accept") && text.contains("ada"),
        "{text}"
    );
    let declined = json!({"action": "decline"});
    let (_, text) = call("test_elicitation", json!({"message": "Who?"}), declined);
    assert!(text.contains("action=decline"), "{text}");
    let wrong = json!({"action": "accept", "content": {"username": 3}});
    let (_, text) = call("test_elicitation", json!({"message": "Who?"}), wrong);
    assert!(text.contains("does not fit the form"), "{text}");
    let roots = json!({"roots": [{"uri": "file:///work"}]});
    let (asked, text) = call("test_input_required_result_list_roots", json!({}), roots);
    assert_eq!(asked, ["roots/list"]);
    assert_eq!(text, "The roots are file:///work");
}

#[test]
fn older_clients_hear_the_log_from_their_level_on() {
    let mut server = Server::older();
    server.call("test_tool_with_logging", json!({}));
    assert_eq!(server.heard.len(), 3);
    assert_eq!(server.heard[0]["method"], "notifications/message");
    server.heard.clear();
    server.ask("logging/setLevel", json!({"level": "warning"}));
    server.call("test_tool_with_logging", json!({}));
    assert!(server.heard.is_empty(), "{:?}", server.heard);
}

#[test]
fn newer_clients_hear_the_log_where_they_ask_for_it() {
    let mut server = Server::newer(json!({}));
    server.call("test_tool_with_logging", json!({}));
    assert!(server.heard.is_empty(), "{:?}", server.heard);
    if let Some(meta) = &mut server.meta {
        meta["io.modelcontextprotocol/logLevel"] = json!("info");
    }
    server.call("test_tool_with_logging", json!({}));
    assert_eq!(server.heard.len(), 3);
    assert_eq!(
        server.refused("logging/setLevel", json!({"level": "info"}))["code"],
        -32601
    );
    assert_eq!(server.refused("ping", json!({}))["code"], -32601);
}

#[test]
fn newer_clients_are_asked_between_rounds() {
    let mut server = Server::newer(json!({"elicitation": {"form": {}}}));
    let tool = "test_input_required_result_multi_round";
    let first = server.call(tool, json!({}));
    assert_eq!(first["resultType"], "input_required");
    assert_eq!(
        first["inputRequests"]["step1"]["method"],
        "elicitation/create"
    );
    let again = |state: &Value, name: &str, content: Value| {
        json!({"name": tool, "arguments": {}, "requestState": state,
            "inputResponses": {name: {"action": "accept", "content": content}}})
    };
    let parameters = again(&first["requestState"], "step1", json!({"name": "Ada"}));
    let second = server.ask("tools/call", parameters);
    assert!(second["inputRequests"]["step2"].is_object(), "{second}");
    assert!(second["inputRequests"].get("step1").is_none(), "{second}");
    let parameters = again(&second["requestState"], "step2", json!({"color": "green"}));
    let third = server.ask("tools/call", parameters);
    assert_eq!(third["content"][0]["text"], "Ada likes green");
}

#[test]
fn what_is_carried_between_rounds_cannot_be_changed_or_used_elsewhere() {
    let mut server = Server::newer(json!({"elicitation": {"form": {}}}));
    let tool = "test_input_required_result_request_state";
    let paused = server.call(tool, json!({}));
    let state = paused["requestState"].as_str().unwrap();
    let reply = json!({"confirm": {"action": "accept", "content": {"ok": true}}});
    let call = |tool: &str, state: &str| json!({"name": tool, "arguments": {}, "requestState": state, "inputResponses": reply});
    let changed = state.replacen(|c: char| c.is_ascii_lowercase(), "Z", 3);
    assert_eq!(
        server.refused("tools/call", call(tool, &changed))["code"],
        -32602
    );
    assert_eq!(server.refused("tools/call", call(tool, ""))["code"], -32602);
    let other = "test_input_required_result_tampered_state";
    assert_eq!(
        server.refused("tools/call", call(other, state))["code"],
        -32602
    );
    let done = server.ask("tools/call", call(tool, state));
    assert_eq!(done["content"][0]["text"], "state-ok");
    let mut another = Server::newer(json!({"elicitation": {"form": {}}}));
    let elsewhere = another.refused("tools/call", call(tool, state));
    assert_eq!(elsewhere["code"], -32602, "another process has another key");
}

#[test]
fn a_client_that_cannot_be_asked_is_told_what_it_lacks() {
    let mut server = Server::newer(json!({"elicitation": {"form": {}}}));
    let call = json!({"name": "test_input_required_result_sampling", "arguments": {}});
    let lacking = server.refused("tools/call", call);
    assert_eq!(lacking["code"], -32021);
    assert!(
        lacking["data"]["requiredCapabilities"]["sampling"].is_object(),
        "{lacking}"
    );
    let mut older = Server::spawn(None);
    let hello = json!({"protocolVersion": "2025-06-18", "capabilities": {},
        "clientInfo": {"name": "test", "version": "1"}});
    older.ask("initialize", hello);
    older.send(json!({"method": "notifications/initialized"}));
    let failed = older.call("test_sampling", json!({"prompt": "2+2"}));
    assert_eq!(failed["isError"], true);
    let text = failed["content"][0]["text"].as_str().unwrap();
    assert!(text.contains("which the client does not offer"), "{text}");
}

#[test]
fn prompts_may_ask_as_well() {
    let mut server = Server::newer(json!({"elicitation": {"form": {}}}));
    let name = "test_input_required_result_prompt";
    let paused = server.ask("prompts/get", json!({"name": name}));
    assert_eq!(paused["resultType"], "input_required");
    let reply = json!({"user_context": {"action": "accept", "content": {"context": "tests"}}});
    let done = server.ask(
        "prompts/get",
        json!({"name": name, "requestState": paused["requestState"], "inputResponses": reply}),
    );
    let text = done["messages"][0]["content"]["text"].as_str().unwrap();
    assert_eq!(text, "Use this context: tests");
}

#[test]
fn older_clients_are_told_of_changes() {
    let mut server = Server::older();
    server.call("test_trigger_tool_change", json!({}));
    let told = |server: &Server| {
        server
            .heard
            .iter()
            .any(|note| note["method"] == "notifications/tools/list_changed")
    };
    for _ in 0..50 {
        if told(&server) {
            break;
        }
        std::thread::sleep(Duration::from_millis(20));
        server.ask("ping", json!({}));
    }
    assert!(told(&server), "{:?}", server.heard);
    let tools = server.ask("tools/list", json!({})).to_string();
    assert!(tools.contains("test_changing_tool"));
}

#[test]
fn newer_clients_hear_only_the_changes_they_asked_for() {
    let mut server = Server::newer(json!({}));
    let listen = json!({"notifications": {"promptsListChanged": true}, "_meta": server.meta});
    server.send(json!({"id": "ears", "method": "subscriptions/listen", "params": listen}));
    let first = server.next();
    assert_eq!(first["method"], "notifications/subscriptions/acknowledged");
    server.call("test_trigger_tool_change", json!({}));
    server.call("test_trigger_prompt_change", json!({}));
    while server.heard.is_empty() {
        let note = server.next();
        server.heard.push(note);
    }
    assert_eq!(
        server.heard[0]["method"],
        "notifications/prompts/list_changed"
    );
    let id = &server.heard[0]["params"]["_meta"]["io.modelcontextprotocol/subscriptionId"];
    assert_eq!(id, "ears");
}
