//! What servers want of the person at the terminal: answers, a visit to an address, leave to run.

use std::io::IsTerminal;
use std::sync::Arc;

use async_trait::async_trait;
use ropewalk_host::HostOptions;
use ropewalk_host::consent::{Approvals, Asker, CommandLine, Consent, Granted};
use ropewalk_host::inquiry::{Answer, Desk, Inquiry, Nobody, Wants};
use serde_json::{Map, Value};

use crate::progress::say;
use crate::terminal::{line, value_of};
use crate::workplace;

/// What servers find around them. With `yes`, everything that is configured may be run.
pub(crate) fn surroundings(yes: bool) -> HostOptions {
    let attended = std::io::stdin().is_terminal() && std::io::stderr().is_terminal();
    let consent: Arc<dyn Consent> = if yes {
        Arc::new(Granted)
    } else {
        let asker: Option<Box<dyn Asker>> = match attended {
            true => Some(Box::new(Terminal::default())),
            false => None,
        };
        Arc::new(approvals(asker))
    };
    let desk: Arc<dyn Desk> = match attended {
        true => Arc::new(Terminal::default()),
        false => Arc::new(Nobody),
    };
    HostOptions {
        desk,
        consent,
        state: workplace::own(),
        keyring: true,
        ..HostOptions::default()
    }
}

/// What was agreed to, in a folder that no project can bring along.
pub(crate) fn approvals(asker: Option<Box<dyn Asker>>) -> Approvals {
    let path = workplace::own().map(|own| own.join("approvals.json"));
    Approvals::new(path, asker)
}

/// The person at the terminal, asked one question after the other.
#[derive(Default)]
struct Terminal {
    one_at_a_time: tokio::sync::Mutex<()>,
}

impl Terminal {
    async fn asked<T: Send + 'static>(
        &self,
        question: impl FnOnce() -> T + Send + 'static,
    ) -> Option<T> {
        let _turn = self.one_at_a_time.lock().await;
        tokio::task::spawn_blocking(question).await.ok()
    }
}

#[async_trait]
impl Asker for Terminal {
    async fn agrees(&self, command: &CommandLine, before: Option<&str>) -> bool {
        let changed = before.map_or_else(String::new, |before| {
            format!("It is not what you agreed to before: {before}\n")
        });
        let question = format!(
            "The server `{}` is a program of this configuration. It would run\n  {command}\n\
             {changed}Run it, now and later? [y/N] ",
            command.server
        );
        let said = self.asked(move || line(&question)).await.flatten();
        said.is_some_and(|said| is_yes(&said))
    }
}

#[async_trait]
impl Desk for Terminal {
    async fn ask(&self, inquiry: Inquiry) -> Answer {
        self.asked(move || answer(&inquiry))
            .await
            .unwrap_or(Answer::Cancelled)
    }
}

fn is_yes(said: &str) -> bool {
    matches!(said.trim().to_ascii_lowercase().as_str(), "y" | "yes")
}

fn answer(inquiry: &Inquiry) -> Answer {
    say(&format!(
        "The server `{}` asks: {}",
        inquiry.server, inquiry.message
    ));
    if let Some(problem) = &inquiry.problem {
        say(&format!("That did not fit: {problem}"));
    }
    match &inquiry.wants {
        Wants::Url { url } => {
            say(&format!("  {url}"));
            match line("Open it in a browser. Go on? [y/N] ") {
                Some(said) if is_yes(&said) => Answer::Accepted(Map::new()),
                Some(_) => Answer::Declined,
                None => Answer::Cancelled,
            }
        }
        Wants::Form { schema } => fill_in(schema),
    }
}

/// Each value in turn; an empty line leaves it out, or takes its default.
fn fill_in(schema: &Value) -> Answer {
    let properties = schema.get("properties").and_then(Value::as_object);
    let mut values = Map::new();
    for (name, property) in properties.into_iter().flatten() {
        let Some(said) = line(&prompt(name, property)) else {
            return Answer::Cancelled;
        };
        let said = said.trim();
        if said == "/no" {
            return Answer::Declined;
        }
        if !said.is_empty() {
            values.insert(name.clone(), typed(said, property));
        }
    }
    Answer::Accepted(values)
}

fn prompt(name: &str, property: &Value) -> String {
    let text = |key: &str| property.get(key).and_then(Value::as_str);
    let mut prompt = text("title").unwrap_or(name).to_owned();
    if let Some(description) = text("description") {
        prompt.push_str(&format!(" ({description})"));
    }
    if let Some(choices) = property.get("enum") {
        prompt.push_str(&format!(" {choices}"));
    }
    match property.get("default") {
        Some(default) => prompt + &format!(" [{default}; /no to refuse]: "),
        None => prompt + " [/no to refuse]: ",
    }
}

/// A line as what the property takes.
fn typed(said: &str, property: &Value) -> Value {
    match property.get("type").and_then(Value::as_str) {
        Some("string") => Value::String(said.to_owned()),
        Some("boolean") if is_yes(said) => Value::Bool(true),
        Some("boolean") if matches!(said, "n" | "no") => Value::Bool(false),
        _ => value_of(said),
    }
}
