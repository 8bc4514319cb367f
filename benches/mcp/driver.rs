//! One server in a process of its own, called over a pipe or a socket by as little as it takes:
//! what a client costs is not what is measured.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

/// The two protocols.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Era {
    Older,
    Newer,
}

enum Wire {
    Pipe(ChildStdin, BufReader<ChildStdout>),
    Socket(BufReader<TcpStream>),
}

pub struct Driven {
    child: Child,
    wire: Wire,
    era: Era,
    session: Option<String>,
    id: u64,
    /// From the start of the process to the first answer.
    pub cold: Duration,
}

/// What calls cost.
pub struct Cost {
    pub calls_per_s: f64,
    /// Of the server's processes.
    pub cpu_us_per_call: f64,
    pub memory_mb: f64,
}

impl Drop for Driven {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Driven {
    /// Starts a server; with a port, it is called over HTTP there.
    pub fn start(mut command: Command, port: Option<u16>, era: Era) -> Self {
        let began = Instant::now();
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let wire = match port {
            None => {
                let output = BufReader::new(child.stdout.take().unwrap());
                Wire::Pipe(child.stdin.take().unwrap(), output)
            }
            Some(port) => loop {
                if let Ok(socket) = TcpStream::connect(("127.0.0.1", port)) {
                    socket.set_nodelay(true).unwrap();
                    break Wire::Socket(BufReader::new(socket));
                }
                assert!(
                    began.elapsed() < Duration::from_secs(30),
                    "no server came up"
                );
                std::thread::sleep(Duration::from_millis(1));
            },
        };
        let mut driven = Self {
            child,
            wire,
            era,
            session: None,
            id: 0,
            cold: Duration::ZERO,
        };
        let answer = match era {
            Era::Older => driven.request(
                "initialize",
                json!({"protocolVersion": "2025-11-25", "capabilities": {},
                    "clientInfo": {"name": "bench", "version": "1"}}),
            ),
            Era::Newer => driven.request("server/discover", json!({})),
        };
        driven.cold = began.elapsed();
        assert!(answer.get("result").is_some(), "{answer}");
        if era == Era::Older {
            driven.post(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"}));
            if let Wire::Socket(_) = driven.wire {
                driven.response();
            }
        }
        driven
    }

    pub fn calls(&mut self, warm: usize, count: usize) -> Cost {
        for _ in 0..warm {
            self.echo();
        }
        let before = cpu_ticks(self.child.id());
        let began = Instant::now();
        for _ in 0..count {
            self.echo();
        }
        let took = began.elapsed().as_secs_f64();
        let ticks = cpu_ticks(self.child.id()) - before;
        Cost {
            calls_per_s: count as f64 / took,
            // A tick is a hundredth of a second on Linux.
            cpu_us_per_call: ticks as f64 * 10_000.0 / count as f64,
            memory_mb: memory_mb(self.child.id()),
        }
    }

    fn echo(&mut self) {
        let parameters = json!({"name": "echo", "arguments": {"message": "hello"}});
        let answer = self.request("tools/call", parameters);
        assert_eq!(answer["result"]["content"][0]["text"], "hello", "{answer}");
    }

    fn request(&mut self, method: &str, mut parameters: Value) -> Value {
        if self.era == Era::Newer {
            parameters["_meta"] = json!({
                "io.modelcontextprotocol/protocolVersion": "2026-07-28",
                "io.modelcontextprotocol/clientInfo": {"name": "bench", "version": "1"},
                "io.modelcontextprotocol/clientCapabilities": {}});
        }
        self.id += 1;
        let id = self.id;
        let request = json!({"jsonrpc": "2.0", "id": id, "method": method, "params": parameters});
        self.post(&request);
        loop {
            let answer = self.response();
            if answer["id"] == id {
                return answer;
            }
        }
    }

    fn post(&mut self, message: &Value) {
        match &mut self.wire {
            Wire::Pipe(input, _) => input.write_all(format!("{message}\n").as_bytes()).unwrap(),
            Wire::Socket(socket) => {
                let body = message.to_string();
                let version = match self.era {
                    Era::Older => "2025-11-25".to_owned(),
                    Era::Newer => {
                        let method = message["method"].as_str().unwrap();
                        let name = message["params"]["name"].as_str();
                        let name =
                            name.map_or(String::new(), |name| format!("\r\nmcp-name: {name}"));
                        format!("2026-07-28\r\nmcp-method: {method}{name}")
                    }
                };
                let session = self
                    .session
                    .as_deref()
                    .map_or(String::new(), |id| format!("\r\nmcp-session-id: {id}"));
                let host = socket.get_ref().peer_addr().unwrap();
                let head = format!(
                    "POST /mcp HTTP/1.1\r\nhost: {host}\r\ncontent-type: application/json\r\n\
                     accept: application/json, text/event-stream\r\n\
                     mcp-protocol-version: {version}{session}\r\ncontent-length: {}\r\n\r\n{body}",
                    body.len()
                );
                socket.get_mut().write_all(head.as_bytes()).unwrap();
            }
        }
    }

    /// The next message; null where an HTTP response has none.
    fn response(&mut self) -> Value {
        match &mut self.wire {
            Wire::Pipe(_, output) => {
                let mut line = String::new();
                assert!(output.read_line(&mut line).unwrap() > 0, "the server left");
                serde_json::from_str(&line).unwrap()
            }
            Wire::Socket(socket) => {
                let (session, body) = http_response(socket);
                if session.is_some() {
                    self.session = session;
                }
                let text = String::from_utf8(body).unwrap();
                let event = text.lines().find_map(|line| {
                    line.strip_prefix("data:")
                        .filter(|data| data.contains("\"id\""))
                });
                serde_json::from_str(event.unwrap_or(&text)).unwrap_or(Value::Null)
            }
        }
    }
}

/// The session a response names, and its body.
fn http_response(socket: &mut BufReader<TcpStream>) -> (Option<String>, Vec<u8>) {
    let mut line = String::new();
    socket.read_line(&mut line).unwrap();
    assert!(line.contains(" 20"), "{line}");
    let (mut length, mut chunked, mut session) = (0, false, None);
    loop {
        line.clear();
        socket.read_line(&mut line).unwrap();
        let Some((name, value)) = line.trim_end().split_once(':') else {
            break;
        };
        match name.to_ascii_lowercase().as_str() {
            "content-length" => length = value.trim().parse().unwrap(),
            "transfer-encoding" => chunked = value.contains("chunked"),
            "mcp-session-id" => session = Some(value.trim().to_owned()),
            _ => {}
        }
    }
    let mut body = Vec::new();
    if !chunked {
        body.resize(length, 0);
        socket.read_exact(&mut body).unwrap();
        return (session, body);
    }
    loop {
        line.clear();
        socket.read_line(&mut line).unwrap();
        let size = usize::from_str_radix(line.trim(), 16).unwrap();
        let start = body.len();
        // A chunk, and the end of its line.
        body.resize(start + size + 2, 0);
        socket.read_exact(&mut body[start..]).unwrap();
        body.truncate(start + size);
        if size == 0 {
            return (session, body);
        }
    }
}

/// A process and all that it started.
fn tree(root: u32) -> Vec<u32> {
    let mut all = vec![root];
    let mut next = 0;
    while let Some(process) = all.get(next) {
        let children = format!("/proc/{process}/task/{process}/children");
        let children = std::fs::read_to_string(children).unwrap_or_default();
        all.extend(
            children
                .split_whitespace()
                .map(|id| id.parse::<u32>().unwrap()),
        );
        next += 1;
    }
    all
}

fn cpu_ticks(root: u32) -> u64 {
    tree(root).into_iter().map(cpu_ticks_of).sum()
}

/// Of one process without those that it started.
pub fn cpu_ticks_of(process: u32) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    // After the name, which may hold anything: state is the first field, times the 12th and 13th.
    let after = stat.rsplit_once(')').map_or("", |(_, after)| after);
    let fields: Vec<&str> = after.split_whitespace().collect();
    let field = |number: usize| fields.get(number).and_then(|text| text.parse::<u64>().ok());
    field(11).unwrap_or(0) + field(12).unwrap_or(0)
}

fn memory_mb(root: u32) -> f64 {
    let resident = |process: &u32| {
        let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let number = line.and_then(|line| line.split_whitespace().next());
        number.map_or(0.0, |number| number.parse::<f64>().unwrap() / 1024.0)
    };
    tree(root).iter().map(resident).sum()
}
