//! `ropewalk mcp`: agents and graphs of a folder as tools, over stdio, spoken to line by line.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Stdio};

use serde_json::{Value, json};

use crate::program::Place;

const ASKS: &str = r#"
name: publish
description: Publishes a text once a person agrees.
channels:
  text: { type: string, description: What to publish. }
  times: { type: integer, default: 1 }
  decision: string
  published: string
input: [text, times]
output: [published]
nodes:
  check:
    human:
      ask: Publish this?
      propose: text
    writes: decision
  publish:
    set:
      published: "decision ~ ' is out'"
edges:
  - check -> publish
"#;

struct Client {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    newer: bool,
    id: u64,
    progress: Vec<Value>,
}

impl Drop for Client {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Client {
    fn start(place: &Place, newer: bool) -> Self {
        let mut child = place
            .command(&["mcp", "--engine", "extractive"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .unwrap();
        let input = child.stdin.take().unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        let mut client = Self {
            child,
            input,
            output,
            newer,
            id: 0,
            progress: Vec::new(),
        };
        if !newer {
            let hello = json!({"protocolVersion": "2025-11-25",
                "capabilities": {"elicitation": {}},
                "clientInfo": {"name": "test", "version": "1"}});
            client.ask("initialize", hello, |_| Value::Null);
            client.send(json!({"method": "notifications/initialized"}));
        }
        client
    }

    fn send(&mut self, mut message: Value) {
        message["jsonrpc"] = json!("2.0");
        writeln!(self.input, "{message}").unwrap();
    }

    fn ask(
        &mut self,
        method: &str,
        mut parameters: Value,
        mut reply: impl FnMut(&Value) -> Value,
    ) -> Value {
        let mut meta = json!({"progressToken": "p"});
        if self.newer {
            meta["io.modelcontextprotocol/protocolVersion"] = json!("2026-07-28");
            meta["io.modelcontextprotocol/clientCapabilities"] =
                json!({"elicitation": {"form": {}}});
        }
        parameters["_meta"] = meta;
        self.id += 1;
        let id = self.id;
        self.send(json!({"id": id, "method": method, "params": parameters}));
        loop {
            let mut line = String::new();
            assert!(
                self.output.read_line(&mut line).unwrap() > 0,
                "the server left"
            );
            let mut message: Value = serde_json::from_str(&line).unwrap();
            if message.get("method").is_none() {
                assert_eq!(message["id"], id, "{message}");
                assert!(message.get("error").is_none(), "{message}");
                return message["result"].take();
            }
            if message.get("id").is_some() {
                let answer = json!({"id": message["id"], "result": reply(&message["params"])});
                self.send(answer);
            } else {
                self.progress.push(message["params"].take());
            }
        }
    }

    fn call(&mut self, tool: &str, arguments: Value) -> Value {
        let parameters = json!({"name": tool, "arguments": arguments});
        self.ask("tools/call", parameters, |asked| {
            panic!("was asked {asked}")
        })
    }
}

fn folder() -> Place {
    let place = Place::new();
    place.write("graphs/publish.yaml", ASKS);
    place.write(
        "graphs/broken.yaml",
        "name: broken\nnodes: {a: {set: {x: '1'}}}\n",
    );
    place.write(
        "agents/reader.md",
        "---\nname: reader\ndescription: Reads the documents.\ntools: [vector__search]\n---\nRead.\n",
    );
    place
}

fn agree() -> Value {
    json!({"action": "accept", "content": {"decision": "yes"}})
}

#[test]
fn the_folders_graphs_and_agents_are_tools() {
    let place = folder();
    let mut client = Client::start(&place, false);
    let listed = client.ask("tools/list", json!({}), |_| Value::Null);
    let tools = listed["tools"].as_array().unwrap();
    let names: Vec<&Value> = tools.iter().map(|tool| &tool["name"]).collect();
    assert_eq!(
        names,
        ["ask", "publish", "reader"],
        "what cannot run is left out"
    );
    let publish = &tools[1];
    assert_eq!(
        publish["description"],
        "Publishes a text once a person agrees."
    );
    assert_eq!(publish["inputSchema"]["required"], json!(["text"]));
    assert_eq!(
        publish["inputSchema"]["properties"]["times"]["type"],
        "integer"
    );
    let wrong = client.call("publish", json!({"txt": "x"}));
    assert_eq!(wrong["isError"], true);
    let said = wrong["content"][0]["text"].as_str().unwrap();
    assert!(said.contains("text"), "{said}");
}

#[test]
fn a_person_is_asked_while_an_older_client_waits() {
    let place = folder();
    let mut client = Client::start(&place, false);
    let call = json!({"name": "publish", "arguments": {"text": "The news"}});
    let mut asked = Vec::new();
    let done = client.ask("tools/call", call.clone(), |question| {
        asked.push(question["message"].as_str().unwrap().to_owned());
        agree()
    });
    assert_eq!(
        done["structuredContent"]["published"], "The news is out",
        "{done}"
    );
    assert_eq!(asked.len(), 1);
    assert!(
        asked[0].contains("Publish this?") && asked[0].contains("The news"),
        "{asked:?}"
    );
    assert!(!client.progress.is_empty(), "what it did was told");
}

#[test]
fn a_newer_client_answers_between_rounds_of_one_run() {
    let place = folder();
    let mut client = Client::start(&place, true);
    let first = client.call("publish", json!({"text": "The news"}));
    assert_eq!(first["resultType"], "input_required", "{first}");
    let (name, _) = first["inputRequests"]
        .as_object()
        .unwrap()
        .iter()
        .next()
        .unwrap();
    let again = json!({"name": "publish", "arguments": {"text": "The news"},
        "requestState": first["requestState"], "inputResponses": {name.as_str(): agree()}});
    let done = client.ask("tools/call", again, |asked| panic!("was asked {asked}"));
    assert_eq!(
        done["structuredContent"]["published"], "The news is out",
        "{done}"
    );
    drop(client);
    let runs = place.json(&["runs", "list", "--json"]);
    let runs = runs["runs"].as_array().unwrap();
    assert_eq!(runs.len(), 1, "both rounds are one run: {runs:?}");
}

#[test]
fn an_agent_answers_with_citations() {
    let place = folder();
    place.write("docs/bees.md", "# Bees\n\nBees make honey from nectar.\n");
    assert_eq!(place.run(&["ingest", "docs"]).code, Some(0));
    let mut client = Client::start(&place, true);
    let question = "What do bees make honey from?";
    let answer = client.call("reader", json!({"question": question}));
    let data = &answer["structuredContent"];
    assert!(
        data["answer"].as_str().unwrap().contains("nectar"),
        "{answer}"
    );
    let cited = data["citations"][0]["id"].as_str().unwrap();
    assert!(
        data["answer"]
            .as_str()
            .unwrap()
            .contains(&format!("[{cited}]")),
        "{answer}"
    );
}
