//! minijinja as graphs have it: nothing that grows a variable, and filters that look at how much
//! they make.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use minijinja::value::{Kwargs, Rest, Value as Jinja, ValueOrKwargs};
use minijinja::{Environment, Error, ErrorKind, State, UndefinedBehavior, filters};

/// Instructions one evaluation may take.
pub(super) const FUEL: u64 = 200_000;

/// Largest text that one evaluation makes, in bytes.
pub(super) const MOST_OUTPUT: usize = 8 << 20;

/// Most items that a filter takes.
const MOST_ITEMS: usize = 1_000_000;

/// The filters as minijinja has them.
static PLAIN: LazyLock<Environment<'static>> = LazyLock::new(Environment::new);

pub(super) static ENVIRONMENT: LazyLock<Environment<'static>> = LazyLock::new(environment);

/// Names that every expression knows.
pub(super) static GLOBALS: LazyLock<BTreeSet<String>> = LazyLock::new(|| {
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

pub(super) fn too_large() -> Error {
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
