//! YAML to a definition, with the place of every part.
//!
//! Aliases are refused: no graph needs them, and they let a small file unfold without end.

use saphyr_parser::{Event, Parser, ScalarStyle};
use serde_json::{Map, Value};

use super::definition::GraphDefinition;
use super::diagnostic::{Code, Diagnostic};
use super::source::{Source, Span};

/// Lists and mappings within each other.
const MOST_DEPTH: usize = 64;

/// Keys and values of one file.
const MOST_PARTS: usize = 1_000_000;

/// Mistakes found in reading, after which reading stops.
const MOST_PROBLEMS: usize = 100;

/// Largest graph file, in bytes.
pub const MOST_BYTES: usize = 16 << 20;

/// Reads a graph file. `name` is for messages only.
///
/// # Errors
/// Whatever keeps the text from being a graph, each with its place.
pub fn parse(name: &str, text: &str) -> Result<(GraphDefinition, Source), Vec<Diagnostic>> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut source = Source::new(name, text);
    if text.len() > MOST_BYTES {
        let message = format!(
            "a graph file of {} bytes; {MOST_BYTES} are allowed",
            text.len()
        );
        return Err(vec![placed(
            Diagnostic::error(Code::Syntax, "", message),
            &source,
        )]);
    }
    let mut loader = Loader {
        source: &mut source,
        stack: Vec::new(),
        root: None,
        parts: 0,
        problems: Vec::new(),
    };
    let loaded = loader.load(text);
    let (root, mut problems) = (loader.root.take(), std::mem::take(&mut loader.problems));
    problems.extend(loaded.err().map(|problem| *problem));
    if source.span_of("").is_none() {
        // Nothing but comments, or less.
        let start = Span {
            line: 1,
            column: 1,
            length: 1,
        };
        source.put_value(String::new(), start);
    }
    if problems.is_empty() {
        match definition(root.unwrap_or(Value::Null), &source) {
            Ok(definition) => return Ok((definition, source)),
            Err(problem) => problems.push(*problem),
        }
    }
    for problem in &mut problems {
        problem.locate(&source);
    }
    Err(problems)
}

fn placed(mut problem: Diagnostic, source: &Source) -> Diagnostic {
    problem.locate(source);
    problem
}

fn definition(root: Value, source: &Source) -> Result<GraphDefinition, Box<Diagnostic>> {
    if !root.is_object() {
        let problem = Diagnostic::error(
            Code::Form,
            "",
            "a graph is a mapping with `name`, `nodes` and `edges`",
        );
        return Err(Box::new(problem));
    }
    serde_path_to_error::deserialize(root).map_err(|error| {
        let path = error.path().to_string();
        let path = if path == "." { String::new() } else { path };
        let message = error.into_inner().to_string();
        let hint = if message.contains("unknown field") {
            "the keys are listed in docs/graph.schema.json; editors complete them"
        } else if message.ends_with("expected a string") {
            "an expression is text: put it in quotes"
        } else {
            ""
        };
        // An unknown key is named by the path of what it is in.
        let unknown = message
            .strip_prefix("unknown field `")
            .and_then(|rest| rest.split('`').next())
            .map(|key| join(&path, key));
        let span = unknown.as_deref().and_then(|path| source.key_of(path));
        let mut problem = Diagnostic::error(Code::Form, unknown.unwrap_or(path), message);
        problem.span = span;
        Box::new(problem.hint(hint))
    })
}

fn join(path: &str, key: &str) -> String {
    if path.is_empty() {
        key.to_owned()
    } else if path.rsplit('.').next() == Some(key) {
        path.to_owned()
    } else {
        format!("{path}.{key}")
    }
}

enum Open {
    List {
        items: Vec<Value>,
        path: Option<String>,
    },
    Mapping {
        entries: Map<String, Value>,
        path: Option<String>,
        key: Option<String>,
    },
}

impl Open {
    /// The path of what comes next in it, unless it is too long to be kept.
    fn path_within(&self, key: &str) -> Option<String> {
        let path = match self {
            Open::List { items, path } => format!("{}[{}]", path.as_ref()?, items.len()),
            Open::Mapping { path, .. } => match path.as_deref()? {
                "" => key.to_owned(),
                path => format!("{path}.{key}"),
            },
        };
        Some(path).filter(|path| Source::keeps(path))
    }
}

struct Loader<'a> {
    source: &'a mut Source,
    stack: Vec<Open>,
    root: Option<Value>,
    parts: usize,
    problems: Vec<Diagnostic>,
}

impl Loader<'_> {
    fn load(&mut self, text: &str) -> Result<(), Box<Diagnostic>> {
        let mut documents = 0;
        for event in Parser::new_from_str(text) {
            let (event, at) = event.map_err(|error| {
                let mut problem = Diagnostic::error(Code::Syntax, "", error.info());
                problem.span = Some(self.within(Span {
                    line: error.marker().line(),
                    column: error.marker().col() + 1,
                    length: 1,
                }));
                problem
            })?;
            let length = if at.start.line() == at.end.line() {
                at.end.col().saturating_sub(at.start.col())
            } else {
                1
            };
            let span = Span {
                line: at.start.line(),
                column: at.start.col() + 1,
                length: length.max(1),
            };
            match event {
                Event::DocumentStart(_) => {
                    documents += 1;
                    if documents > 1 {
                        let text = "a graph file holds one document; remove the second `---`";
                        return Err(at_span(Code::Syntax, text, span));
                    }
                }
                Event::Alias(_) => {
                    let text = "aliases (`*name`) are not read; write the value out";
                    return Err(at_span(Code::Syntax, text, span));
                }
                Event::Scalar(text, style, _, tag) => {
                    if tag.is_some() {
                        return Err(tagged(span));
                    }
                    self.counted(span)?;
                    self.scalar(&text, style, span);
                }
                Event::SequenceStart(_, tag) => self.open(span, true, tag.is_some())?,
                Event::MappingStart(_, tag) => self.open(span, false, tag.is_some())?,
                Event::SequenceEnd | Event::MappingEnd => match self.stack.pop() {
                    Some(Open::List { items, .. }) => self.put(Value::Array(items)),
                    Some(Open::Mapping { entries, .. }) => self.put(Value::Object(entries)),
                    None => {}
                },
                Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => {}
            }
            if self.problems.len() >= MOST_PROBLEMS {
                break;
            }
        }
        Ok(())
    }

    /// What is missing at the end is shown at the last line there is.
    fn within(&self, span: Span) -> Span {
        let last = self.source.line_count();
        let mut line = span.line.clamp(1, last);
        let length = |line| {
            self.source
                .line(line)
                .map_or(0, |text| text.chars().count())
        };
        if span.line >= last {
            while line > 1 && length(line) == 0 {
                line -= 1;
            }
        }
        let column = if line == span.line {
            span.column
        } else {
            length(line).max(1)
        };
        Span {
            line,
            column,
            length: 1,
        }
    }

    fn counted(&mut self, span: Span) -> Result<(), Box<Diagnostic>> {
        self.parts += 1;
        if self.parts > MOST_PARTS {
            let text = format!("more than {MOST_PARTS} keys and values");
            return Err(at_span(Code::Syntax, &text, span));
        }
        Ok(())
    }

    fn open(&mut self, span: Span, list: bool, tag: bool) -> Result<(), Box<Diagnostic>> {
        if tag {
            return Err(tagged(span));
        }
        self.counted(span)?;
        if self.stack.len() >= MOST_DEPTH {
            let text = format!("more than {MOST_DEPTH} lists and mappings within each other");
            return Err(at_span(Code::Syntax, &text, span));
        }
        if let Some(Open::Mapping { key: None, .. }) = self.stack.last() {
            return Err(at_span(Code::Syntax, "a key must be text", span));
        }
        let path = self.path();
        if let Some(path) = path.clone() {
            self.source.put_value(path, span);
        }
        self.stack.push(if list {
            Open::List {
                items: Vec::new(),
                path,
            }
        } else {
            Open::Mapping {
                entries: Map::new(),
                path,
                key: None,
            }
        });
        Ok(())
    }

    fn scalar(&mut self, text: &str, style: ScalarStyle, span: Span) {
        let depth = self.stack.len();
        let path = self.path_of(Some(text));
        let Some(Open::Mapping {
            entries,
            path: group,
            key: key @ None,
        }) = self.stack.last_mut()
        else {
            if let Some(path) = self.path() {
                self.source.put_value(path, span);
            }
            self.put(resolve(text, style));
            return;
        };
        if entries.contains_key(text) {
            let message = format!("`{text}` is given twice");
            let path = path.clone().unwrap_or_default();
            let mut problem = Diagnostic::error(Code::Duplicate, path, message)
                .hint("rename one of them, or remove it");
            problem.span = Some(span);
            self.problems.push(problem);
        }
        *key = Some(text.to_owned());
        let named = depth == 2 && matches!(group.as_deref(), Some("nodes" | "channels"));
        if let Some(path) = path {
            self.source.put_key(path, span, named);
        }
    }

    /// The path of the value that comes next.
    fn path(&self) -> Option<String> {
        self.path_of(None)
    }

    /// The path of what comes next; of a key, if one is given.
    fn path_of(&self, new: Option<&str>) -> Option<String> {
        match self.stack.last() {
            None => Some(String::new()),
            Some(open @ Open::Mapping { key, .. }) => {
                open.path_within(key.as_deref().or(new).unwrap_or_default())
            }
            Some(open) => open.path_within(""),
        }
    }

    fn put(&mut self, value: Value) {
        match self.stack.last_mut() {
            None => self.root = Some(value),
            Some(Open::List { items, .. }) => items.push(value),
            Some(Open::Mapping { entries, key, .. }) => {
                if let Some(key) = key.take() {
                    entries.insert(key, value);
                }
            }
        }
    }
}

fn tagged(span: Span) -> Box<Diagnostic> {
    at_span(Code::Syntax, "tags (`!name`) are not read; remove it", span)
}

fn at_span(code: Code, text: &str, span: Span) -> Box<Diagnostic> {
    let mut problem = Diagnostic::error(code, "", text);
    problem.span = Some(span);
    Box::new(problem)
}

/// A scalar by the core schema of YAML 1.2: only plain text can be anything but text.
fn resolve(text: &str, style: ScalarStyle) -> Value {
    if style != ScalarStyle::Plain {
        return Value::String(text.to_owned());
    }
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Value::Null,
        "true" | "True" | "TRUE" => return Value::Bool(true),
        "false" | "False" | "FALSE" => return Value::Bool(false),
        _ => {}
    }
    if let Ok(whole) = text.parse::<i64>() {
        return Value::from(whole);
    }
    let numeric =
        text.starts_with(|c: char| c.is_ascii_digit() || c == '-' || c == '+' || c == '.');
    match text.parse::<f64>() {
        Ok(number) if numeric && number.is_finite() => Value::from(number),
        _ => Value::String(text.to_owned()),
    }
}
