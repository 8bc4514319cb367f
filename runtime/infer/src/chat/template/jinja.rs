//! Jinja as `transformers` sets it up for chat templates.

use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Kwargs, ValueKind};
use minijinja::{
    AutoEscape, Environment, Error, ErrorKind, Output, State, UndefinedBehavior, Value,
};

use super::json::{Layout, dumps, python_str};
use crate::error::InferError;

/// The name of the one template.
const NAME: &str = "chat_template";

/// Steps that any template may take, and how many more for each byte of the conversation. A
/// step is one instruction or 64 bytes of text.
const FUEL: u64 = 2_000_000;
const FUEL_PER_BYTE: u64 = 200;

/// A compiled template.
#[derive(Debug)]
pub(super) struct Jinja {
    environment: Environment<'static>,
}

impl Jinja {
    pub(super) fn new(source: &str) -> Result<Self, InferError> {
        let mut environment = Environment::new();
        let syntax = SyntaxConfig::builder()
            .trim_blocks(true)
            .lstrip_blocks(true)
            .build()
            .map_err(|error| failed(&error))?;
        environment.set_syntax(syntax);
        environment.set_undefined_behavior(UndefinedBehavior::Lenient);
        environment.set_auto_escape_callback(|_| AutoEscape::None);
        environment.set_recursion_limit(100);
        environment.set_formatter(print);
        environment.set_unknown_method_callback(method);
        environment.add_filter("tojson", tojson);
        environment.add_filter("string", string);
        environment.add_test("iterable", is_iterable);
        environment.add_test("sequence", is_sequence);
        environment.add_function(
            "raise_exception",
            |message: String| -> Result<String, Error> {
                Err(Error::new(ErrorKind::InvalidOperation, message))
            },
        );
        environment
            .add_template_owned(NAME, without_generation_blocks(source))
            .map_err(|error| failed(&error))?;
        Ok(Self { environment })
    }

    /// Renders with these variables; `size` is how many bytes the conversation has.
    pub(super) fn render(&self, context: Value, size: usize) -> Result<String, InferError> {
        let size = u64::try_from(size).unwrap_or(u64::MAX);
        // The environment is shared by every rendering, so its fuel is set on a clone (cheap:
        // the template is shared).
        let mut environment = self.environment.clone();
        environment.set_fuel(Some(
            FUEL.saturating_add(size.saturating_mul(FUEL_PER_BYTE)),
        ));
        let template = environment
            .get_template(NAME)
            .map_err(|error| failed(&error))?;
        template.render(context).map_err(|error| failed(&error))
    }
}

fn failed(error: &Error) -> InferError {
    let what = match error.kind() {
        ErrorKind::OutOfFuel => "it does not come to an end in the steps it may take".to_owned(),
        _ => error
            .detail()
            .map_or_else(|| error.kind().to_string(), str::to_owned),
    };
    InferError::Template {
        message: match error.line() {
            Some(line) => format!("line {line}: {what}"),
            None => what,
        },
    }
}

/// Prints a value as Python does: `True`, `None`, `{'a': 1}`.
fn print(out: &mut Output, state: &mut State, value: &Value) -> Result<(), Error> {
    if value.is_undefined() {
        return Ok(());
    }
    let written = match value.as_str() {
        Some(text) => out.write_str(text),
        None => out.write_str(&python_str(value, Some(state))?),
    };
    written.map_err(Error::from)
}

fn tojson(
    state: &mut State,
    value: &Value,
    indent: Option<Value>,
    kwargs: Kwargs,
) -> Result<String, Error> {
    dumps(
        value,
        &Layout::from_arguments(indent, &kwargs)?,
        Some(state),
    )
}

fn string(state: &mut State, value: &Value) -> Result<String, Error> {
    python_str(value, Some(state))
}

/// `none` is nothing to loop over, unlike what is undefined.
fn is_iterable(value: &Value) -> bool {
    value.is_undefined() || (!value.is_none() && value.try_iter().is_ok())
}

/// What has a length and items: texts and maps too.
fn is_sequence(value: &Value) -> bool {
    matches!(
        value.kind(),
        ValueKind::Seq | ValueKind::Map | ValueKind::String
    )
}

/// Methods of Python's strings, lists and maps.
fn method(state: &mut State, value: &Value, name: &str, args: &[Value]) -> Result<Value, Error> {
    minijinja_contrib::pycompat::unknown_method_callback(state, value, name, args)
}

/// `{% generation %}` marks what a model is trained on; it prints nothing.
fn without_generation_blocks(source: &str) -> String {
    let mut out = String::with_capacity(source.len());
    let mut rest = source;
    while let Some((before, tag)) = rest.split_once("{%") {
        out.push_str(before);
        out.push_str("{%");
        rest = tag;
        let Some((inside, _)) = tag.split_once("%}") else {
            continue;
        };
        let word = inside.trim_matches(['-', '+']).trim();
        let plain = match word {
            "generation" => "if true",
            "endgeneration" => "endif",
            _ => continue,
        };
        out.push_str(&inside.replace(word, plain));
        rest = tag.get(inside.len()..).unwrap_or("");
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use minijinja::context;
    use minijinja::value::Serde;

    use super::*;

    fn render(source: &str) -> Result<String, InferError> {
        let value = context! {
            text => "  a b <think>x</think>y  ",
            map => Value::from(Serde(serde_json::json!({"b": 1, "a": [true, null], "h": "<&>'é"}))),
            list => vec![1, 2, 3, 4],
        };
        Jinja::new(source)?.render(value, 100)
    }

    #[test]
    fn what_templates_in_the_wild_use() {
        for (source, wanted) in [
            (
                "{{ text.strip() }}|{{ text|trim }}",
                "a b <think>x</think>y|a b <think>x</think>y",
            ),
            ("{{ text.split('</think>')[-1].rstrip() }}", "y"),
            ("{{ text.lstrip().startswith('a') }}", "True"),
            (
                "{% for k, v in map.items() %}{{ k }}={{ v }};{% endfor %}",
                "b=1;a=[True, None];h=<&>'é;",
            ),
            ("{% for k, v in map|items %}{{ k }}{% endfor %}", "bah"),
            ("{{ map.get('zz', 'none') }}{{ map.get('zz') }}", "noneNone"),
            (
                "{{ list[::-1] }}{{ list[1:] }}{{ list[:-1]|length }}",
                "[4, 3, 2, 1][2, 3, 4]3",
            ),
            (
                "{{ 3 in list }}{{ 'b' in map }}{{ 'zz' not in text }}",
                "TrueTrueTrue",
            ),
            (
                "{{ map is mapping }}{{ text is string }}{{ list is iterable }}{{ nope is defined }}",
                "TrueTrueTrueFalse",
            ),
            (
                "{{ map|tojson }}",
                r#"{"b": 1, "a": [true, null], "h": "<&>'é"}"#,
            ),
            ("{{ map.a|tojson(indent=2) }}", "[\n  true,\n  null\n]"),
            (
                "{{ map.a|tojson(separators=(',', ':'), ensure_ascii=True) }}",
                "[true,null]",
            ),
            (
                "{% set ns = namespace(n=0) %}{% for i in list %}{% if i == 3 %}{% break %}{% endif %}{% if i == 1 %}{% continue %}{% endif %}{% set ns.n = ns.n + i %}{% endfor %}{{ ns.n }}",
                "2",
            ),
            (
                "{% macro m(x, y=2) %}{{ x }}-{{ y }}{% endmacro %}{{ m(1) }}{{ m(1, y=3) }}",
                "1-21-3",
            ),
            (
                "{{ [{'r': 'u', 'n': 1}, {'r': 'a', 'n': 2}]|selectattr('r', 'equalto', 'a')|map(attribute='n')|list }}",
                "[2]",
            ),
            (
                "{% for i in list %}{{ loop.index0 }}{{ loop.first }}{{ loop.last }}{{ loop.previtem }}{{ loop.nextitem }} {% endfor %}",
                "0TrueFalse2 1FalseFalse13 2FalseFalse24 3FalseTrue3 ",
            ),
            (
                "{{ none is iterable }}{{ nope is iterable }}{{ text is iterable }}{{ text is sequence }}{{ 1 is sequence }}",
                "FalseTrueTrueTrueFalse",
            ),
            (
                "{{ 'a' ~ 1 ~ none }}|{{ 'x' if false }}|{{ nope }}",
                "a1None||",
            ),
            ("a\n  {% if true %}\n  b\n  {% endif %}\nc\n", "a\n  b\nc"),
            ("{%- generation -%} x {%- endgeneration %} y", "x y"),
            (
                "{{ '%s is %d'|format('a', 3) }} {{ '{} {}'.format(1, 2) }}",
                "a is 3 1 2",
            ),
            (
                "{{ list|join(', ') }} {{ 'aXb'.replace('X', '-') }} {{ 'ab'.upper() }}",
                "1, 2, 3, 4 a-b AB",
            ),
        ] {
            match render(source) {
                Ok(got) => assert_eq!(got, wanted, "{source}"),
                Err(error) => panic!("{source}: {error}"),
            }
        }
    }

    #[test]
    fn errors_name_the_line() {
        let error =
            render("a\n{% if true %}\n{{ raise_exception('not so') }}{% endif %}").unwrap_err();
        assert_eq!(
            error.to_string(),
            "the model's chat template cannot be used: line 3: not so"
        );
        let error = render("a\n\n{% if %}").unwrap_err().to_string();
        assert!(error.contains("line 3"), "{error}");
    }

    #[test]
    fn hostile_templates_come_to_an_end() {
        for source in [
            "{% for a in range(100000) %}{% for b in range(100000) %}{% for c in range(100000) %}x{% endfor %}{% endfor %}{% endfor %}",
            "{% set ns = namespace(x='aaaaaaaaaaaaaaaa') %}{% for i in range(60) %}{% set ns.x = ns.x ~ ns.x %}{% endfor %}{{ ns.x }}",
            "{% macro m() %}{{ m() }}{{ m() }}{% endmacro %}{{ m() }}",
            "{{ 'a' * 1000000000000 }}",
            "{% set ns = namespace(x=[1]) %}{% for i in range(60) %}{% set ns.x = [ns.x, ns.x] %}{% endfor %}{{ ns.x }}",
            "{% set ns = namespace(x=[1]) %}{% for i in range(60) %}{% set ns.x = [ns.x, ns.x] %}{% endfor %}{{ ns.x|tojson }}",
        ] {
            assert!(render(source).is_err(), "{source}");
        }
    }
}
