//! What is wrong with a graph, where, and what to do about it.

use std::fmt;

use serde::Serialize;

use super::source::{Source, Span};
use crate::unseen::is_unseen;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// The graph does not run.
    Error,
    /// It runs, and probably not as meant.
    Warning,
}

/// What kind of mistake it is. `docs/checks.md` explains each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub enum Code {
    /// The text is not YAML.
    #[serde(rename = "RW001")]
    Syntax,
    /// The YAML is not a graph: an unknown key, a wrong type, something missing.
    #[serde(rename = "RW002")]
    Form,
    /// A name is given twice.
    #[serde(rename = "RW003")]
    Duplicate,
    /// A name that cannot be used.
    #[serde(rename = "RW004")]
    Name,
    /// A node is of no kind, or of several.
    #[serde(rename = "RW005")]
    Kind,
    /// There is no such node.
    #[serde(rename = "RW006")]
    UnknownNode,
    /// There is no such channel.
    #[serde(rename = "RW007")]
    UnknownChannel,
    /// There is no such agent.
    #[serde(rename = "RW008")]
    UnknownAgent,
    /// There is no such tool.
    #[serde(rename = "RW009")]
    UnknownTool,
    /// There is no such prompt.
    #[serde(rename = "RW010")]
    UnknownPrompt,
    /// There is no such graph, or it cannot be used.
    #[serde(rename = "RW011")]
    UnknownGraph,
    /// There is no such function.
    #[serde(rename = "RW012")]
    UnknownFunction,
    /// Graphs contain each other.
    #[serde(rename = "RW013")]
    Recursion,
    /// Nothing leads to a node.
    #[serde(rename = "RW014")]
    Unreachable,
    /// A node leads to no end.
    #[serde(rename = "RW015")]
    NoEnd,
    /// It is not clear where the graph starts.
    #[serde(rename = "RW016")]
    Start,
    /// A cycle without a bound.
    #[serde(rename = "RW017")]
    UnboundedCycle,
    /// A loop that is not one.
    #[serde(rename = "RW018")]
    Loop,
    /// An edge leaves a loop in the middle.
    #[serde(rename = "RW019")]
    LoopExit,
    /// A node that can never start.
    #[serde(rename = "RW020")]
    NeverFires,
    /// Edges that contradict each other, or leave a gap.
    #[serde(rename = "RW021")]
    Choice,
    /// Two nodes that may run at the same time write one channel.
    #[serde(rename = "RW022")]
    WriteRace,
    /// A node reads a channel that another may be writing.
    #[serde(rename = "RW023")]
    ReadRace,
    /// A read that is not declared.
    #[serde(rename = "RW024")]
    UndeclaredRead,
    /// A write that is not declared.
    #[serde(rename = "RW025")]
    UndeclaredWrite,
    /// A value does not fit its channel.
    #[serde(rename = "RW026")]
    Type,
    /// An expression or a template that does not parse.
    #[serde(rename = "RW027")]
    Expression,
    /// An expression names something that does not exist.
    #[serde(rename = "RW028")]
    UnknownName,
    /// A map over something that is no list.
    #[serde(rename = "RW029")]
    MapOver,
    /// A number that makes no sense where it stands.
    #[serde(rename = "RW030")]
    Bound,
    /// A channel is read before anything can have been written to it.
    #[serde(rename = "RW031")]
    NeverWritten,
    /// Arguments do not fit the tool's schema.
    #[serde(rename = "RW032")]
    Arguments,
    /// A JSON schema that is none.
    #[serde(rename = "RW033")]
    Schema,
    /// Something that has no effect where it stands.
    #[serde(rename = "RW034")]
    NoEffect,
    /// There is no such engine.
    #[serde(rename = "RW035")]
    UnknownEngine,
}

impl Code {
    /// Every code, in order.
    pub const ALL: [Code; 35] = [
        Code::Syntax,
        Code::Form,
        Code::Duplicate,
        Code::Name,
        Code::Kind,
        Code::UnknownNode,
        Code::UnknownChannel,
        Code::UnknownAgent,
        Code::UnknownTool,
        Code::UnknownPrompt,
        Code::UnknownGraph,
        Code::UnknownFunction,
        Code::Recursion,
        Code::Unreachable,
        Code::NoEnd,
        Code::Start,
        Code::UnboundedCycle,
        Code::Loop,
        Code::LoopExit,
        Code::NeverFires,
        Code::Choice,
        Code::WriteRace,
        Code::ReadRace,
        Code::UndeclaredRead,
        Code::UndeclaredWrite,
        Code::Type,
        Code::Expression,
        Code::UnknownName,
        Code::MapOver,
        Code::Bound,
        Code::NeverWritten,
        Code::Arguments,
        Code::Schema,
        Code::NoEffect,
        Code::UnknownEngine,
    ];
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RW{:03}", *self as u32 + 1)
    }
}

/// One mistake.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Diagnostic {
    /// What kind.
    pub code: Code,
    /// How bad.
    pub severity: Severity,
    /// Where in the definition: `nodes.write.agent`.
    pub path: String,
    /// The file, where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// The place in the file.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub span: Option<Span>,
    /// What is wrong.
    pub message: String,
    /// What to do.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub hint: String,
    /// The line it is on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line_text: Option<String>,
}

impl Diagnostic {
    pub(crate) fn error(code: Code, path: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            code,
            severity: Severity::Error,
            path: path.into(),
            file: None,
            span: None,
            message: shortened(message.into()),
            hint: String::new(),
            line_text: None,
        }
    }

    pub(crate) fn warning(code: Code, path: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Warning,
            ..Self::error(code, path, message)
        }
    }

    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = shortened(hint.into());
        self
    }

    /// Gives it its place in a source.
    pub(crate) fn locate(&mut self, source: &Source) {
        if self.file.is_some() {
            return;
        }
        self.file = Some(source.name().to_owned());
        let span = self.span.or_else(|| source.span_of(&self.path));
        self.line_text = span.and_then(|span| source.line(span.line));
        self.span = span;
        self.path = shortened(std::mem::take(&mut self.path));
    }
}

/// Most of a line that is shown, in characters.
const MOST_LINE: usize = 160;

/// Longest message, hint and path, in characters: each may quote the file.
const MOST_SHOWN: usize = 2_000;

fn shortened(mut text: String) -> String {
    if let Some((end, _)) = text.char_indices().nth(MOST_SHOWN) {
        text.truncate(end);
        text.push('…');
    }
    text
}

/// Text of a file as a terminal may show it: nothing in it moves the cursor or turns the text
/// around.
fn shown(text: &str) -> String {
    let plain = |c: char| match c {
        '\n' => ' ',
        c if is_unseen(c) => '\u{fffd}',
        c => c,
    };
    text.chars().map(plain).collect()
}

/// As a person reads it: the place, the mistake, the line with a mark under it, the hint.
impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let severity = match self.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        match (&self.file, self.span) {
            (Some(file), Some(span)) => write!(f, "{file}:{}:{}: ", span.line, span.column)?,
            (Some(file), None) => write!(f, "{file}: ")?,
            (None, _) if self.path.is_empty() => {}
            (None, _) => write!(f, "{}: ", shown(&self.path))?,
        }
        let message = shown(&self.message);
        write!(f, "{severity} {}: {message}", self.code)?;
        if let (Some(text), Some(span)) = (&self.line_text, self.span) {
            let number = span.line.to_string();
            let blank = " ".repeat(number.len());
            // Of a long line, the part around the mistake.
            let skipped = span.column.saturating_sub(1).saturating_sub(80);
            let (lead, skipped) = if skipped > 0 {
                ("…", skipped + 1)
            } else {
                ("", 0)
            };
            let rest: String = text.chars().skip(skipped).take(MOST_LINE).collect();
            let line = shown(&rest);
            let at = span.column.saturating_sub(1).saturating_sub(skipped) + lead.chars().count();
            let room = (lead.chars().count() + line.chars().count()).saturating_sub(at);
            let mark = "^".repeat(span.length.min(room).max(1));
            let before = " ".repeat(at);
            write!(f, "\n {number} | {lead}{line}\n {blank} | {before}{mark}")?;
        }
        if !self.hint.is_empty() {
            write!(f, "\n  help: {}", shown(&self.hint))?;
        }
        Ok(())
    }
}
