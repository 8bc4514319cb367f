//! Expressions and templates, bounded in steps and in what they may produce.
//!
//! Both are minijinja. `{% set %}`, macros and includes are left out of templates, and loops go
//! over what is there: without variables that grow, what a template makes is bounded by its own
//! length, its input and its fuel.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io;
use std::sync::{Arc, LazyLock};

use minijinja::value::{Kwargs, Rest, Serde, Value as Jinja, ValueOrKwargs};
use minijinja::{Environment, Error, ErrorKind, State, UndefinedBehavior, filters};
use serde_json::{Map, Value};

/// Instructions one evaluation may take.
const FUEL: u64 = 200_000;

/// Longest expression, in bytes.
const MOST_EXPRESSION: usize = 4 << 10;

/// Longest template, in bytes.
const MOST_TEMPLATE: usize = 256 << 10;

/// Most words and signs in one expression, and in one `{{ }}` or `{% %}` of a template. The
/// parser calls itself for some of them, so that a long enough row would overflow the stack.
const MOST_TOKENS: usize = 600;

/// Most `elif`s of a template: each lies within the one before.
const MOST_ELIFS: usize = 60;

/// Largest text that one evaluation makes, in bytes.
const MOST_OUTPUT: usize = 8 << 20;

/// Most items that a filter takes.
const MOST_ITEMS: usize = 1_000_000;

/// The filters as minijinja has them.
static PLAIN: LazyLock<Environment<'static>> = LazyLock::new(Environment::new);

static ENVIRONMENT: LazyLock<Environment<'static>> = LazyLock::new(environment);

/// Names that every expression knows.
static GLOBALS: LazyLock<BTreeSet<String>> = LazyLock::new(|| {
    let globals = ENVIRONMENT.globals();
    globals.map(|(name, _)| name.to_owned()).collect()
});

fn environment() -> Environment<'static> {
    let mut environment = Environment::new();
    environment.set_fuel(Some(FUEL));
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_recursion_limit(64);
    environment.set_auto_escape_callback(|_| minijinja::AutoEscape::None);
    // A namespace is a variable that can grow in a loop.
    environment.remove_global("namespace");
    environment.remove_global("debug");
    environment.add_filter("replace", replace);
    environment.add_filter("indent", indent);
    environment.add_filter("join", join);
    environment.add_filter("batch", refuse_filter);
    environment.add_filter("slice", refuse_filter);
    for name in [
        "list", "sort", "unique", "reverse", "groupby", "min", "max", "sum",
    ] {
        environment.add_filter(name, move |items: Jinja, rest: Rest<ValueOrKwargs>| {
            sized(&items)?;
            let mut arguments = vec![items];
            arguments.extend(rest.into_values());
            PLAIN.empty_state().apply_filter(name, &arguments)
        });
    }
    environment.add_filter("map", |state: &mut State, items: Jinja, rest: Rest<_>| {
        sized(&items)?;
        filters::map(state, items, rest)
    });
    environment.add_filter(
        "select",
        |state: &mut State, items: Jinja, test: Option<String>, rest: Rest<_>| {
            sized(&items)?;
            filters::select(state, items, test.map(Into::into), rest)
        },
    );
    environment.add_filter(
        "reject",
        |state: &mut State, items: Jinja, test: Option<String>, rest: Rest<_>| {
            sized(&items)?;
            filters::reject(state, items, test.map(Into::into), rest)
        },
    );
    environment.add_filter(
        "selectattr",
        |state: &mut State, items: Jinja, key: String, test: Option<String>, rest: Rest<_>| {
            sized(&items)?;
            filters::selectattr(state, items, key.into(), test.map(Into::into), rest)
        },
    );
    environment.add_filter(
        "rejectattr",
        |state: &mut State, items: Jinja, key: String, test: Option<String>, rest: Rest<_>| {
            sized(&items)?;
            filters::rejectattr(state, items, key.into(), test.map(Into::into), rest)
        },
    );
    environment
}

/// A sequence multiplied (`[1] * 10000000`) costs nothing until a filter makes it real.
fn sized(items: &Jinja) -> Result<(), Error> {
    if items.len().is_some_and(|length| length > MOST_ITEMS) {
        let message = format!("more than {MOST_ITEMS} items");
        return Err(Error::new(ErrorKind::InvalidOperation, message));
    }
    Ok(())
}

fn too_large() -> Error {
    let message = format!("it makes more than {MOST_OUTPUT} bytes");
    Error::new(ErrorKind::InvalidOperation, message)
}

fn refuse_filter(_: Jinja, _: Rest<Jinja>) -> Result<Jinja, Error> {
    let message = "this filter is not available in graphs";
    Err(Error::new(ErrorKind::UnknownFilter, message))
}

fn replace(text: String, from: String, to: String) -> Result<String, Error> {
    let found = if from.is_empty() {
        text.chars().count() + 1
    } else {
        text.matches(&from).count()
    };
    if found.saturating_mul(to.len()).saturating_add(text.len()) > MOST_OUTPUT {
        return Err(too_large());
    }
    Ok(text.replace(&from, &to))
}

fn indent(text: String, width: usize, _: Kwargs) -> Result<String, Error> {
    let lines = text.lines().count();
    if lines.saturating_mul(width).saturating_add(text.len()) > MOST_OUTPUT {
        return Err(too_large());
    }
    let blank = " ".repeat(width);
    Ok(text.replace('\n', &format!("\n{blank}")))
}

fn join(items: Jinja, separator: Option<String>) -> Result<String, Error> {
    let separator = separator.unwrap_or_default();
    let mut joined = String::new();
    for (index, item) in items.try_iter()?.enumerate() {
        if index > 0 {
            joined.push_str(&separator);
        }
        match item.as_str() {
            Some(text) => joined.push_str(text),
            None => joined.push_str(&item.to_string()),
        }
        if joined.len() > MOST_OUTPUT {
            return Err(too_large());
        }
    }
    Ok(joined)
}

/// An expression or a template that failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{source_text}`: {message}")]
pub struct ExpressionError {
    /// The text, shortened.
    pub source_text: String,
    /// What is wrong with it.
    pub message: String,
}

fn failed(source: &str, error: &Error) -> ExpressionError {
    let mut message = match error.kind() {
        ErrorKind::OutOfFuel => format!("it takes more than {FUEL} steps"),
        ErrorKind::UndefinedError => "it uses a value that is not there".to_owned(),
        _ => error
            .detail()
            .map_or_else(|| error.kind().to_string(), |detail| detail.to_owned()),
    };
    if let ErrorKind::UndefinedError = error.kind()
        && let Some(detail) = error.detail()
    {
        message = format!("{message}: {detail}");
    }
    refused(source, &message)
}

fn refused(source: &str, message: &str) -> ExpressionError {
    let line = source.split_whitespace().collect::<Vec<_>>().join(" ");
    let source_text = match line.char_indices().nth(80) {
        None => line,
        Some((end, _)) => format!("{}…", line.get(..end).unwrap_or_default()),
    };
    ExpressionError {
        source_text,
        message: message.to_owned(),
    }
}

/// The values that an expression may name.
pub trait Scope: Send + Sync {
    /// The value of a name.
    fn value(&self, name: &str) -> Option<Arc<Value>>;
}

/// Some names before others.
pub struct Within<'a> {
    /// Looked up first.
    pub names: &'a [(&'a str, Arc<Value>)],
    /// Looked up then.
    pub outer: &'a dyn Scope,
}

impl Scope for Within<'_> {
    fn value(&self, name: &str) -> Option<Arc<Value>> {
        let own = self.names.iter().find(|(own, _)| *own == name);
        own.map_or_else(
            || self.outer.value(name),
            |(_, value)| Some(Arc::clone(value)),
        )
    }
}

impl Scope for Map<String, Value> {
    fn value(&self, name: &str) -> Option<Arc<Value>> {
        self.get(name).cloned().map(Arc::new)
    }
}

/// A parsed expression.
#[derive(Clone)]
pub struct Expression {
    source: String,
    names: Vec<String>,
    form: Form,
}

#[derive(Clone)]
enum Form {
    /// A name alone: by far the most common, and no value is converted for it.
    Name,
    Parsed(Arc<minijinja::Expression<'static, 'static>>),
}

impl fmt::Debug for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Expression").field(&self.source).finish()
    }
}

impl PartialEq for Expression {
    fn eq(&self, other: &Self) -> bool {
        self.source == other.source
    }
}

impl Expression {
    /// Parses it.
    ///
    /// # Errors
    /// When it is none, or too long.
    pub fn parse(source: &str) -> Result<Self, ExpressionError> {
        if source.len() > MOST_EXPRESSION {
            let message = format!("{} bytes; {MOST_EXPRESSION} are allowed", source.len());
            return Err(refused(source, &message));
        }
        few_tokens(source, source)?;
        let parsed = ENVIRONMENT
            .compile_expression_owned(source.to_owned())
            .map_err(|error| failed(source, &error))?;
        let mut names = named(parsed.undeclared_variables(false));
        add_sliced(&mut names, [source].into_iter(), &BTreeSet::new());
        let form = if names.len() == 1 && names.first().is_some_and(|name| name == source.trim()) {
            Form::Name
        } else {
            Form::Parsed(Arc::new(parsed))
        };
        Ok(Self {
            source: source.to_owned(),
            names,
            form,
        })
    }

    /// As it was written.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// What it names.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// Its value.
    ///
    /// # Errors
    /// When a name has no value, an operation makes no sense, or it takes too many steps.
    pub fn eval(&self, scope: &dyn Scope) -> Result<Value, ExpressionError> {
        match &self.form {
            Form::Name => {
                let value = self.names.first().and_then(|name| scope.value(name));
                value
                    .map(|value| (*value).clone())
                    .ok_or_else(|| refused(&self.source, "it uses a value that is not there"))
            }
            Form::Parsed(parsed) => {
                let value = parsed
                    .eval(context(&self.names, scope))
                    .map_err(|error| failed(&self.source, &error))?;
                to_json(&self.source, &value)
            }
        }
    }

    /// Whether its value is true, as in `if`.
    ///
    /// # Errors
    /// As [`Expression::eval`].
    pub fn holds(&self, scope: &dyn Scope) -> Result<bool, ExpressionError> {
        match &self.form {
            Form::Name => Ok(Jinja::from(Serde(self.eval(scope)?)).is_true()),
            Form::Parsed(parsed) => parsed
                .eval(context(&self.names, scope))
                .map(|value| value.is_true())
                .map_err(|error| failed(&self.source, &error)),
        }
    }

    /// Its value, if it names nothing.
    pub fn constant(&self) -> Option<Value> {
        if !self.names.is_empty() {
            return None;
        }
        self.eval(&Map::new()).ok()
    }
}

/// A parsed template.
#[derive(Debug, Clone, PartialEq)]
pub struct Template {
    source: String,
    names: Vec<String>,
    /// The whole text is one expression, whose value may keep its type.
    single: Option<Box<Expression>>,
}

impl Template {
    /// Parses it.
    ///
    /// # Errors
    /// When it is none, is too long, or uses a statement that graphs do not have.
    pub fn parse(source: &str) -> Result<Self, ExpressionError> {
        if source.len() > MOST_TEMPLATE {
            let message = format!("{} bytes; {MOST_TEMPLATE} are allowed", source.len());
            return Err(refused(source, &message));
        }
        if !source.contains('{') {
            return Ok(Self {
                source: source.to_owned(),
                names: Vec::new(),
                single: None,
            });
        }
        let mut elifs = 0;
        for statement in statements(source) {
            if REFUSED.contains(&statement) {
                let message = format!("`{{% {statement} %}}` is not available in graphs");
                return Err(refused(source, &message));
            }
            elifs += usize::from(statement == "elif");
        }
        if elifs > MOST_ELIFS {
            let message = format!("{elifs} times `elif`; {MOST_ELIFS} are allowed");
            return Err(refused(source, &message));
        }
        for tag in tags(source) {
            few_tokens(source, tag)?;
            grows_nothing(source, tag)?;
        }
        let parsed = ENVIRONMENT
            .template_from_str(source)
            .map_err(|error| failed(source, &error))?;
        Ok(Self {
            source: source.to_owned(),
            names: {
                let mut names = named(parsed.undeclared_variables(false));
                add_sliced(&mut names, tags(source), &loop_variables(source));
                names
            },
            single: single(source).map(Box::new),
        })
    }

    /// As it was written.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// What it names.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// The one expression it is, if it is one.
    pub fn single(&self) -> Option<&Expression> {
        self.single.as_deref()
    }

    /// Its text.
    ///
    /// # Errors
    /// As [`Expression::eval`], and when the text grows too large.
    pub fn render(&self, scope: &dyn Scope) -> Result<String, ExpressionError> {
        if !self.source.contains('{') {
            return Ok(self.source.clone());
        }
        let template = ENVIRONMENT
            .template_from_str(&self.source)
            .map_err(|error| failed(&self.source, &error))?;
        let mut text = Bounded(Vec::new());
        template
            .render_captured_to(context(&self.names, scope), &mut text)
            .map_err(|error| match error.kind() {
                ErrorKind::WriteFailure => failed(&self.source, &too_large()),
                _ => failed(&self.source, &error),
            })?;
        String::from_utf8(text.0).map_err(|_| refused(&self.source, "it made no text"))
    }

    /// The value of its one expression, or its text.
    ///
    /// # Errors
    /// As [`Template::render`].
    pub fn value(&self, scope: &dyn Scope) -> Result<Value, ExpressionError> {
        match &self.single {
            Some(expression) => expression.eval(scope),
            None => self.render(scope).map(Value::String),
        }
    }
}

/// Statements that bring in other templates, or variables that grow.
const REFUSED: [&str; 10] = [
    "set", "with", "do", "macro", "include", "import", "from", "extends", "block", "call",
];

/// Refuses what the parser would go too deep for.
fn few_tokens(source: &str, part: &str) -> Result<(), ExpressionError> {
    let mut tokens: usize = 0;
    let mut quote = None;
    let mut escaped = false;
    let mut in_word = false;
    for c in part.chars() {
        if let Some(open) = quote {
            if c == open && !escaped {
                quote = None;
            }
            escaped = c == '\\' && !escaped;
            continue;
        }
        let word = c.is_alphanumeric() || c == '_';
        if !(c.is_whitespace() || word && in_word) {
            tokens += 1;
        }
        in_word = word;
        quote = Some(c).filter(|c| matches!(c, '"' | '\''));
    }
    if tokens > MOST_TOKENS {
        let message = format!("{tokens} words and signs; {MOST_TOKENS} are allowed");
        return Err(refused(source, &message));
    }
    Ok(())
}

/// Filters that a loop may go through: what they give is no larger than what they are given.
const STEADY: [&str; 17] = [
    "list",
    "sort",
    "unique",
    "reverse",
    "select",
    "reject",
    "selectattr",
    "rejectattr",
    "first",
    "last",
    "items",
    "dictsort",
    "groupby",
    "length",
    "int",
    "lines",
    "default",
];

/// Refuses a loop over something it makes itself: with each loop inside another, a variable that
/// holds twice as much as the one before would soon hold more than there is memory.
fn grows_nothing(source: &str, tag: &str) -> Result<(), ExpressionError> {
    let tag = tag.trim_start_matches(['-', '+']).trim_start();
    let Some(over) = tag
        .strip_prefix("for")
        .filter(|rest| rest.starts_with(char::is_whitespace))
    else {
        return Ok(());
    };
    let refuse = |what: &str| {
        let message = format!(
            "`{what}` in a loop's list: make the list in a `set` node or an expression before it"
        );
        Err(refused(source, &message))
    };
    let mut quote = None;
    let mut rest = over.chars();
    while let Some(c) = rest.next() {
        if let Some(open) = quote {
            match c {
                '\\' => _ = rest.next(),
                _ if c == open => quote = None,
                _ => {}
            }
            continue;
        }
        let after = rest.as_str().trim_start();
        match c {
            '"' | '\'' => quote = Some(c),
            '~' | '*' => return refuse(&c.to_string()),
            '+' if !after.starts_with(|c: char| c.is_ascii_digit()) => return refuse("+"),
            '|' => {
                let end = after.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
                let name = after.get(..end.unwrap_or(after.len())).unwrap_or_default();
                let plain_map = name == "map"
                    && after.get(3..).is_some_and(|call| {
                        call.trim_start_matches(['(', ' ']).starts_with("attribute")
                    });
                if !STEADY.contains(&name) && !plain_map {
                    return refuse(&format!("|{name}"));
                }
            }
            _ => {}
        }
    }
    Ok(())
}

/// What stands in each `{{ }}` and `{% %}`. Comments and raw text are taken for tags where they
/// look like some: no harm, as long as they are short.
fn tags(source: &str) -> impl Iterator<Item = &str> {
    let mut rest = source;
    std::iter::from_fn(move || {
        loop {
            let at = rest.find('{')?;
            let inner = rest.get(at + 1..)?;
            let mut chars = inner.chars();
            match chars.next() {
                Some('{') => {
                    let tag;
                    (tag, rest) = until(chars.as_str(), '}');
                    return Some(tag);
                }
                Some('%') => {
                    let tag;
                    (tag, rest) = until(chars.as_str(), '%');
                    return Some(tag);
                }
                _ => rest = inner,
            }
        }
    })
}

/// Splits at the first `end` before a `}` that stands in no quotes.
fn until(text: &str, end: char) -> (&str, &str) {
    let (mut quote, mut escaped, mut last) = (None, false, ' ');
    for (at, c) in text.char_indices() {
        match quote {
            Some(open) => {
                if c == open && !escaped {
                    quote = None;
                }
                escaped = c == '\\' && !escaped;
            }
            None if c == '}' && last == end => return text.split_at(at),
            None => quote = Some(c).filter(|c| matches!(c, '"' | '\'')),
        }
        last = c;
    }
    (text, "")
}

/// The words after each `{%`.
fn statements(source: &str) -> impl Iterator<Item = &str> {
    source.split("{%").skip(1).filter_map(|rest| {
        let rest = rest.trim_start_matches(['-', '+']).trim_start();
        rest.split(|c: char| !c.is_ascii_alphabetic()).next()
    })
}

/// `{{ expression }}` and nothing else.
fn single(source: &str) -> Option<Expression> {
    let inner = source.trim().strip_prefix("{{")?.strip_suffix("}}")?;
    if inner.contains("{{") || inner.contains("}}") || inner.contains("{%") {
        return None;
    }
    Expression::parse(inner.trim().trim_matches('-').trim()).ok()
}

fn named(names: std::collections::HashSet<String>) -> Vec<String> {
    let mut names: Vec<String> = names
        .into_iter()
        .filter(|name| !GLOBALS.contains(name))
        .collect();
    names.sort();
    names
}

/// Words of the language that stand where a name could.
const WORDS: [&str; 18] = [
    "and",
    "or",
    "not",
    "in",
    "is",
    "if",
    "else",
    "elif",
    "endif",
    "for",
    "endfor",
    "true",
    "false",
    "none",
    "True",
    "False",
    "None",
    "recursive",
];

/// Adds the names in parts with a slice (`list[1:]`): minijinja does not look into what is
/// sliced.
fn add_sliced<'a>(
    names: &mut Vec<String>,
    parts: impl Iterator<Item = &'a str>,
    own: &BTreeSet<&str>,
) {
    let sliced = parts.filter(|part| part.contains('[') && part.contains(':'));
    for name in sliced.flat_map(identifiers) {
        let known = own.contains(name) || WORDS.contains(&name) || GLOBALS.contains(name);
        if !known && !names.iter().any(|found| found == name) {
            names.push(name.to_owned());
        }
    }
    names.sort();
}

/// Variables that loops of a template make.
fn loop_variables(source: &str) -> BTreeSet<&str> {
    let mut own = BTreeSet::from(["loop"]);
    for tag in tags(source) {
        let tag = tag.trim_start_matches(['-', '+']).trim_start();
        let variables = tag
            .strip_prefix("for ")
            .and_then(|rest| rest.split(" in ").next());
        own.extend(variables.into_iter().flat_map(|names| {
            let parts = names.split([',', '(', ')']);
            parts.map(str::trim).filter(|name| !name.is_empty())
        }));
    }
    own
}

/// Words of a part that are variables by where they stand: not behind a dot, a bar or `is`, not
/// in quotes, not the name of an argument.
fn identifiers(part: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let (mut quote, mut escaped) = (None, false);
    let mut start = None;
    let mut before = ' ';
    let mut last_word = "";
    for (at, c) in part.char_indices().chain([(part.len(), ' ')]) {
        if let Some(open) = quote {
            if c == open && !escaped {
                quote = None;
                before = c;
            }
            escaped = c == '\\' && !escaped;
            continue;
        }
        if c.is_alphanumeric() || c == '_' {
            start.get_or_insert(at);
            continue;
        }
        if let Some(word) = start.take().and_then(|start| part.get(start..at)) {
            let rest = part.get(at..).unwrap_or_default().trim_start();
            let argument = rest.starts_with('=') && !rest.starts_with("==");
            let called = rest.starts_with('(') && before != '(';
            let number = word.starts_with(|c: char| c.is_ascii_digit());
            let test = last_word == "is" || last_word == "not" && before == 'i';
            if !number && !argument && !called && !test && !matches!(before, '.' | '|') {
                found.push(word);
            }
            before = if last_word == "is" { 'i' } else { 'w' };
            last_word = word;
        }
        if !c.is_whitespace() {
            before = c;
            last_word = "";
        }
        quote = Some(c).filter(|c| matches!(c, '"' | '\''));
    }
    found
}

/// Only what is named is converted.
fn context(names: &[String], scope: &dyn Scope) -> Jinja {
    let known = names.iter().filter_map(|name| {
        let value = scope.value(name)?;
        Some((name.clone(), Jinja::from(Serde(&*value))))
    });
    Jinja::from_object(known.collect::<BTreeMap<String, Jinja>>())
}

fn to_json(source: &str, value: &Jinja) -> Result<Value, ExpressionError> {
    if value.is_undefined() {
        return Err(refused(source, "it uses a value that is not there"));
    }
    if value.len().is_some_and(|length| length > MOST_OUTPUT) {
        return Err(failed(source, &too_large()));
    }
    serde_json::to_value(value).map_err(|error| refused(source, &error.to_string()))
}

/// A text that refuses to grow beyond its bound.
struct Bounded(Vec<u8>);

impl io::Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0.len() + bytes.len() > MOST_OUTPUT {
            return Err(io::Error::other("too large"));
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn scope() -> Map<String, Value> {
        let Value::Object(scope) =
            json!({"n": 2, "name": "Ada", "list": [1, 2, 3], "doc": {"a": {"b": true}}})
        else {
            panic!("an object");
        };
        scope
    }

    fn eval(source: &str) -> Result<Value, ExpressionError> {
        Expression::parse(source)?.eval(&scope())
    }

    #[test]
    fn expressions_have_typed_values() {
        assert_eq!(eval("n + 1").unwrap(), json!(3));
        assert_eq!(eval("list").unwrap(), json!([1, 2, 3]));
        assert_eq!(eval("doc.a.b and n > 1").unwrap(), json!(true));
        assert_eq!(eval("{'x': list|length}").unwrap(), json!({"x": 3}));
        assert_eq!(eval("n / 4").unwrap(), json!(0.5));
        let names = Expression::parse("range(n)|join(name)").unwrap();
        assert_eq!(names.names(), ["n", "name"]);
    }

    #[test]
    fn what_is_sliced_is_named() {
        assert_eq!(eval("list[1:]").unwrap(), json!([2, 3]));
        assert_eq!(eval("list[:n]|length").unwrap(), json!(2));
        assert_eq!(eval("(list|sort(reverse=true))[:1]").unwrap(), json!([3]));
        assert_eq!(
            eval("doc.a if list[0:1] is defined and 'x:[y' else n").unwrap(),
            json!({"b": true})
        );
        let names = Expression::parse("list[n:]|join(name) ~ 'other[:1]'").unwrap();
        assert_eq!(names.names(), ["list", "n", "name"]);
        let text = "{% for item, other in list[1:] %}{{ item[0:1] }}{% endfor %}";
        assert_eq!(Template::parse(text).unwrap().names(), ["list"]);
    }

    #[test]
    fn templates_keep_types_only_when_they_are_one_expression() {
        let value = |text: &str| Template::parse(text).unwrap().value(&scope()).unwrap();
        assert_eq!(value("{{ list }}"), json!([1, 2, 3]));
        assert_eq!(value("Dear {{ name }}, {{ n }}"), json!("Dear Ada, 2"));
        assert_eq!(
            value("{% for i in list %}{{ i }};{% endfor %}"),
            json!("1;2;3;")
        );
        assert_eq!(value("no braces"), json!("no braces"));
    }

    #[test]
    fn what_is_not_there_is_an_error() {
        assert!(
            eval("nobody")
                .unwrap_err()
                .to_string()
                .contains("not there")
        );
        assert!(
            eval("doc.x.y")
                .unwrap_err()
                .to_string()
                .contains("not there")
        );
        assert!(
            Template::parse("{{ nobody }}")
                .unwrap()
                .render(&scope())
                .is_err()
        );
        assert!(Expression::parse("n +").is_err());
        assert!(Template::parse("{% set x = 1 %}{{ x }}").is_err());
    }

    #[test]
    fn nothing_is_parsed_too_deep() {
        for row in [
            "-",
            "not ",
            "+1",
            ".a",
            "|e",
            "~a",
            " if a else a",
            "(",
            "[",
            "**1",
        ] {
            for (before, after) in [("", "1"), ("1", ""), ("'}}' ~ ", "1")] {
                let text = format!("{before}{}{after}", row.repeat(3900 / row.len()));
                let _ = Expression::parse(&text).map(|parsed| parsed.eval(&scope()));
                let long = format!("{{{{ {before}{}{after} }}}}", row.repeat(20_000));
                assert!(Template::parse(&long).is_err(), "{before}{row}{after}");
            }
        }
        let many = |part: &str| format!("{{% if n %}}{}{{% endif %}}", part.repeat(20_000));
        assert!(Template::parse(&many("{% elif n %}")).is_err());
        assert!(Template::parse(&many("{{ n }}")).is_ok());
    }

    #[test]
    fn loops_make_nothing_that_grows() {
        for over in [
            "[x ~ x]",
            "[x + x]",
            "[x * 9]",
            "[[x, x]|join]",
            "[x|replace('a', 'aa')]",
            "[x]|map('upper')",
            "'a,b'|split(',')",
        ] {
            let text = format!("{{%- for y in {over} %}}{{{{ y }}}}{{% endfor %}}");
            assert!(Template::parse(&text).is_err(), "{text}");
        }
        for over in [
            "list",
            "range(n + 1)",
            "list|sort(reverse=true)",
            "doc|items",
            "list|map(attribute='a')",
            "[1, 2]",
            "['a ~ b', \"it's *\"]",
            "list if n > 1",
        ] {
            let text = format!("{{% for y in {over} %}}{{{{ y }}}}{{% endfor %}}");
            assert!(Template::parse(&text).is_ok(), "{text}");
        }
    }

    #[test]
    fn nothing_loops_or_explodes() {
        let loops = "{% for a in range(9999) %}{% for b in range(9999) %}x{% endfor %}{% endfor %}";
        let error = Template::parse(loops)
            .unwrap()
            .render(&scope())
            .unwrap_err();
        assert!(error.to_string().contains("steps"), "{error}");
        for source in [
            "'a' * 1000000000",
            "'a' * 100000 * 100000",
            "[1] * 1000000000",
            "range(1000000000)",
            "name|replace('A', 'x' * 100000)|replace('x', 'y' * 100000)",
            "range(100000)|join('x' * 100000)",
            "10 ** 10 ** 10 ** 10",
            "'%1000000000d'|format(1)",
            "name|center(1000000000)",
            "([1] * 99999999)|list",
            "([1] * 99999999)|map('string')|list",
            "([1] * 99999999)|select('odd')|list",
            "([1] * 99999999)",
            "('x' * 99999999)",
        ] {
            let outcome = Expression::parse(source).and_then(|parsed| parsed.eval(&scope()));
            let size = outcome.as_ref().map_or(0, |value| value.to_string().len());
            assert!(size <= 2 * MOST_OUTPUT, "{source} made {size} bytes");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_answered(text in "[ -~]{0,60}", template in "(\\{\\{|\\}\\}|\\{%|%\\}|[ -~]){0,30}") {
            let _ = Expression::parse(&text).and_then(|parsed| parsed.eval(&scope()));
            let _ = Template::parse(&template).and_then(|parsed| parsed.render(&scope()));
        }
    }
}
