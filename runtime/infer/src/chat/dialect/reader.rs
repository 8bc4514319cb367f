//! Reads a reply while it is written.
//!
//! Nothing that a grammar of [`super::grammar`] allows as free text is taken for a call or for
//! thinking here. Models that write without a grammar are forgiven what they often do: a tag that
//! is not closed, a code fence around the JSON, arguments as a string, several calls in an array.

use std::collections::BTreeSet;

use ropewalk_core::message::Delta;
use ropewalk_core::tool::ToolCall;

use super::outline::{Outline, Parsed};
use super::stream::{Found, Trimmed, find};
use crate::chat::family::Family;

/// Reads a reply while it is written: text, thinking, and calls apart.
#[derive(Debug)]
pub struct ReplyReader {
    family: Family,
    think: (&'static str, &'static str),
    offered: BTreeSet<String>,
    taken: BTreeSet<String>,
    state: State,
    /// What came in and is not told apart yet.
    pending: String,
    text: Trimmed,
    thinking: Trimmed,
    calls: Vec<ToolCall>,
    broken: Vec<String>,
    /// Calls that were begun, in the value at hand left out.
    begun: usize,
    deltas: Vec<Delta>,
}

/// A reply that is read to its end.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Read {
    /// Words for the reader, without white space at their ends.
    pub text: String,
    /// Thinking, where there was some.
    pub thinking: Option<String>,
    /// Calls, with ids.
    pub calls: Vec<ToolCall>,
    /// Calls that cannot be read, as they were written: broken off, or no JSON. They are counted
    /// in the indexes of [`Delta::CallArguments`].
    pub broken: Vec<String>,
}

#[derive(Debug)]
enum State {
    /// Before the first word; whether thinking may still come.
    Begin {
        may_think: bool,
    },
    /// Inside of thinking; whether a tag that opens it again is to be dropped.
    Thinking {
        may_open: bool,
    },
    Text,
    /// After an opening marker, before the JSON. What was passed over is kept for reports.
    Opened {
        passed: String,
    },
    /// In the JSON. `bare`: no marker said that it is a call.
    Call {
        outline: Outline,
        passed: String,
        bare: bool,
    },
    /// After a call.
    Closed,
    /// After an opening marker, in something that is no JSON.
    Junk {
        passed: String,
    },
}

/// What a step came to.
#[derive(PartialEq, Eq)]
enum Step {
    On,
    /// More text is needed.
    Wait,
}

impl ReplyReader {
    pub(super) fn new(
        family: Family,
        think: (&'static str, &'static str),
        thinking_begun: bool,
        offered: BTreeSet<String>,
        taken: BTreeSet<String>,
    ) -> Self {
        let state = if thinking_begun {
            State::Thinking { may_open: true }
        } else {
            State::Begin { may_think: true }
        };
        Self {
            family,
            think,
            offered,
            taken,
            state,
            pending: String::new(),
            text: Trimmed::default(),
            thinking: Trimmed::default(),
            calls: Vec::new(),
            broken: Vec::new(),
            begun: 0,
            deltas: Vec::new(),
        }
    }

    /// Takes in more of the reply's text (special tokens in their written form), gives what is
    /// new. All text and thinking in these pieces, with those of [`ReplyReader::finish`], is
    /// exactly what the whole reply has.
    pub fn push(&mut self, text: &str) -> Vec<Delta> {
        self.pending.push_str(text);
        while self.step() == Step::On {}
        std::mem::take(&mut self.deltas)
    }

    /// The whole reply, and deltas that were held back.
    pub fn finish(mut self) -> (Read, Vec<Delta>) {
        let pending = std::mem::take(&mut self.pending);
        match std::mem::replace(&mut self.state, State::Text) {
            State::Begin { .. } | State::Text => self.say(&pending),
            State::Thinking { .. } => self.think(&pending),
            State::Opened { passed } | State::Junk { passed } => self.broke(passed + &pending),
            State::Call {
                outline,
                passed,
                bare,
            } => self.end_of_value(&outline, passed, bare),
            State::Closed => {
                let close = self.family.close().unwrap_or("```");
                if !close.starts_with(&pending) && !"```".starts_with(&pending) {
                    self.say(&pending);
                }
            }
        }
        let thinking = self.thinking.out;
        let read = Read {
            text: self.text.out,
            thinking: (!thinking.is_empty()).then_some(thinking),
            calls: self.calls,
            broken: self.broken,
        };
        (read, self.deltas)
    }

    fn step(&mut self) -> Step {
        match std::mem::replace(&mut self.state, State::Text) {
            State::Begin { may_think } => self.begin(may_think),
            State::Thinking { may_open } => self.in_thinking(may_open),
            State::Text => self.in_text(),
            State::Opened { passed } => self.opened(passed),
            State::Call {
                outline,
                passed,
                bare,
            } => self.in_call(outline, passed, bare),
            State::Closed => self.closed(),
            State::Junk { passed } => self.in_junk(passed),
        }
    }

    fn begin(&mut self, may_think: bool) -> Step {
        self.pass_space();
        let open = self.think.0;
        if may_think && self.pass(open) {
            self.state = State::Thinking { may_open: false };
            return Step::On;
        }
        let bare = self.family.bare() && !self.offered.is_empty();
        match self.fenced_json().filter(|_| bare) {
            Some(Some(at)) => {
                let passed = self.drain(at);
                self.state = State::Call {
                    outline: Outline::new(),
                    passed,
                    bare: true,
                };
                return Step::On;
            }
            Some(None) => {
                self.state = State::Begin { may_think };
                return Step::Wait;
            }
            None => {}
        }
        if self.pending.is_empty() || (may_think && open.starts_with(&self.pending)) {
            self.state = State::Begin { may_think };
            return Step::Wait;
        }
        self.state = State::Text;
        Step::On
    }

    fn in_thinking(&mut self, may_open: bool) -> Step {
        if may_open {
            self.pass_space();
            if self.pass(self.think.0) {
                self.state = State::Thinking { may_open: false };
                return Step::On;
            }
            if self.think.0.starts_with(&self.pending) {
                self.state = State::Thinking { may_open };
                return Step::Wait;
            }
        }
        match find(&self.pending, &[self.think.1]) {
            Found::Whole { at, marker } => {
                let thought = self.drain(at);
                self.think(&thought);
                self.drain(marker.len());
                self.state = State::Begin { may_think: false };
                Step::On
            }
            Found::Perhaps { at } => {
                let thought = self.drain(at);
                self.think(&thought);
                self.state = State::Thinking { may_open: false };
                Step::Wait
            }
        }
    }

    fn in_text(&mut self) -> Step {
        if self.offered.is_empty() {
            let text = std::mem::take(&mut self.pending);
            self.say(&text);
            return Step::Wait;
        }
        match find(&self.pending, self.family.opens()) {
            Found::Whole { at, marker } => {
                let text = self.drain(at);
                self.say(&text);
                self.open(marker);
                Step::On
            }
            Found::Perhaps { at } => {
                let text = self.drain(at);
                self.say(&text);
                self.state = State::Text;
                Step::Wait
            }
        }
    }

    /// Passes an opening marker; a bracket at its end belongs to the JSON.
    fn open(&mut self, marker: &str) {
        let kept = marker.starts_with(char::is_alphabetic) && marker.ends_with('[');
        let passed = self.drain(marker.len() - usize::from(kept));
        self.state = State::Opened { passed };
    }

    fn opened(&mut self, mut passed: String) -> Step {
        let space = self.pending.len() - self.pending.trim_start().len();
        passed.push_str(&self.drain(space));
        match self.fenced_json() {
            Some(Some(at)) => {
                passed.push_str(&self.drain(at));
                self.state = State::Call {
                    outline: Outline::new(),
                    passed,
                    bare: false,
                };
                return Step::On;
            }
            Some(None) => {
                self.state = State::Opened { passed };
                return Step::Wait;
            }
            None => {}
        }
        let named = matches!(self.family, Family::Mistral | Family::MistralNamed);
        if named {
            // A name is short: what goes on without a bracket is none.
            match self.pending.find('{') {
                Some(at) => {
                    let head = self.drain(at);
                    let name = head.split('[').next().unwrap_or("").trim().to_owned();
                    passed.push_str(&head);
                    self.state = State::Call {
                        outline: Outline::arguments_of(name),
                        passed,
                        bare: false,
                    };
                    return Step::On;
                }
                None if self.pending.len() < 400 => {
                    self.state = State::Opened { passed };
                    return Step::Wait;
                }
                None => {}
            }
        }
        self.state = State::Junk { passed };
        Step::On
    }

    fn in_call(&mut self, mut outline: Outline, passed: String, bare: bool) -> Step {
        let used = outline.feed(&self.pending);
        self.drain(used);
        let offered = &self.offered;
        for fragment in outline.fragments(&|name| !bare || offered.contains(name)) {
            self.deltas.push(Delta::CallArguments {
                index: self.begun + fragment.at,
                name: fragment.name,
                fragment: fragment.text,
            });
        }
        if outline.is_done() {
            self.end_of_value(&outline, passed, bare);
            Step::On
        } else {
            self.state = State::Call {
                outline,
                passed,
                bare,
            };
            Step::Wait
        }
    }

    /// Takes the calls out of a value that is complete, or will never be.
    fn end_of_value(&mut self, outline: &Outline, passed: String, bare: bool) {
        let calls = outline.calls();
        let whole = passed + outline.raw();
        let is_call = |call: &Option<Parsed>| {
            let call = call.as_ref();
            call.is_some_and(|call| {
                call.sent || (call.explicit && self.offered.contains(&call.name))
            })
        };
        if bare && !outline.has_sent() && (calls.is_empty() || !calls.iter().all(is_call)) {
            self.state = State::Text;
            self.say(&whole);
            return;
        }
        self.state = State::Closed;
        if calls.is_empty() || calls.contains(&None) {
            self.broken.push(whole);
            self.begun += usize::from(calls.is_empty());
        }
        for call in calls {
            let index = self.begun;
            self.begun += 1;
            let Some(call) = call else { continue };
            if !call.sent {
                self.deltas.push(Delta::CallArguments {
                    index,
                    name: call.name.clone(),
                    fragment: call.arguments.to_string(),
                });
            }
            let id = self.id();
            self.calls.push(ToolCall {
                id,
                name: call.name,
                arguments: call.arguments,
            });
        }
    }

    fn closed(&mut self) -> Step {
        self.pass_space();
        let bare = self.family.bare();
        loop {
            let close = self.family.close();
            let parted = bare && (self.pass(";") || self.pass(","));
            if self.pass("```") || close.is_some_and(|close| self.pass(close)) || parted {
                self.pass_space();
            } else {
                break;
            }
        }
        let opens = self.family.opens();
        if let Some(open) = opens.iter().find(|open| self.pending.starts_with(**open)) {
            self.open(open);
            return Step::On;
        }
        if bare && self.pending.starts_with(['{', '[']) {
            self.state = State::Call {
                outline: Outline::new(),
                passed: String::new(),
                bare: true,
            };
            return Step::On;
        }
        let mut markers = opens
            .iter()
            .copied()
            .chain(self.family.close())
            .chain(["```"]);
        if markers.any(|marker| marker.starts_with(&self.pending)) {
            self.state = State::Closed;
            return Step::Wait;
        }
        if !self.text.out.is_empty() {
            self.text.held.push('\n');
        }
        self.state = State::Text;
        Step::On
    }

    fn in_junk(&mut self, mut passed: String) -> Step {
        let mut markers = self.family.opens().to_vec();
        markers.extend(self.family.close());
        match find(&self.pending, &markers) {
            Found::Whole { at, .. } => {
                passed.push_str(&self.drain(at));
                self.broke(passed);
                self.state = State::Closed;
                Step::On
            }
            Found::Perhaps { at } => {
                passed.push_str(&self.drain(at));
                self.state = State::Junk { passed };
                Step::Wait
            }
        }
    }

    fn broke(&mut self, written: String) {
        self.broken.push(written);
        self.begun += 1;
    }

    fn id(&mut self) -> String {
        let mut number = self.calls.len() + 1;
        loop {
            let id = format!("call_{number}");
            if self.taken.insert(id.clone()) {
                return id;
            }
            number += 1;
        }
    }

    fn say(&mut self, text: &str) {
        let text = self.text.push(text);
        if !text.is_empty() {
            self.deltas.push(Delta::Text { text });
        }
    }

    fn think(&mut self, text: &str) {
        let text = self.thinking.push(text);
        if !text.is_empty() {
            self.deltas.push(Delta::Thinking { text });
        }
    }

    /// Takes so many bytes off what is pending.
    fn drain(&mut self, bytes: usize) -> String {
        if !self.pending.is_char_boundary(bytes) {
            return String::new();
        }
        self.pending.drain(..bytes).collect()
    }

    fn pass_space(&mut self) {
        let space = self.pending.len() - self.pending.trim_start().len();
        self.drain(space);
    }

    fn pass(&mut self, marker: &str) -> bool {
        let found = self.pending.starts_with(marker);
        if found {
            self.drain(marker.len());
        }
        found
    }

    /// Where JSON begins in what is pending, a code fence before it or not: `Some(None)` when that
    /// cannot be said yet, `None` when it does not.
    fn fenced_json(&self) -> Option<Option<usize>> {
        let text = self.pending.as_str();
        let json = |rest: &str, at: usize| match rest.chars().next() {
            Some('{' | '[') => Some(Some(at)),
            Some(_) => None,
            None => Some(None),
        };
        if "```".starts_with(text) {
            return Some(None);
        }
        let Some(fenced) = text.strip_prefix("```") else {
            return json(text, 0);
        };
        let rest = fenced
            .trim_start_matches(|c: char| c.is_ascii_alphabetic())
            .trim_start();
        json(rest, text.len() - rest.len())
    }
}
