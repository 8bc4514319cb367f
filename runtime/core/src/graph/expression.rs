//! Expressions and templates, bounded in steps and in what they may produce.
//!
//! Both are minijinja. `{% set %}`, macros and includes are left out of templates, and loops go
//! over what is there: without variables that grow, what a template makes is bounded by its own
//! length, its input and its fuel.

mod language;
mod limits;
mod names;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io;
use std::sync::Arc;

use minijinja::value::{Serde, Value as Jinja};
use minijinja::{Error, ErrorKind};
use serde_json::{Map, Value};

use self::language::{ENVIRONMENT, FUEL, MOST_OUTPUT, too_large};
use self::limits::{few_tokens, grows_nothing, refused_statements, tags};
use self::names::{add_sliced, loop_variables, named};

/// Longest expression, in bytes.
const MOST_EXPRESSION: usize = 4 << 10;

/// Longest template, in bytes.
const MOST_TEMPLATE: usize = 256 << 10;

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
        refused_statements(source)?;
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

/// `{{ expression }}` and nothing else.
fn single(source: &str) -> Option<Expression> {
    let inner = source.trim().strip_prefix("{{")?.strip_suffix("}}")?;
    if inner.contains("{{") || inner.contains("}}") || inner.contains("{%") {
        return None;
    }
    Expression::parse(inner.trim().trim_matches('-').trim()).ok()
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
