//! What is refused before it is parsed or run: too many tokens for the parser, statements that
//! graphs do not have, loops that grow what they go over.

use super::{ExpressionError, refused};

/// Most words and signs in one expression, and in one `{{ }}` or `{% %}` of a template. The
/// parser calls itself for some of them, so that a long enough row would overflow the stack.
const MOST_TOKENS: usize = 600;

/// Most `elif`s of a template: each lies within the one before.
const MOST_ELIFS: usize = 60;

/// Statements that bring in other templates, or variables that grow.
const REFUSED: [&str; 10] = [
    "set", "with", "do", "macro", "include", "import", "from", "extends", "block", "call",
];

/// Refuses what the parser would go too deep for.
pub(super) fn few_tokens(source: &str, part: &str) -> Result<(), ExpressionError> {
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
pub(super) fn grows_nothing(source: &str, tag: &str) -> Result<(), ExpressionError> {
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
pub(super) fn tags(source: &str) -> impl Iterator<Item = &str> {
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

/// Refuses statements that graphs do not have, and more conditions in a row than the parser can
/// take.
pub(super) fn refused_statements(source: &str) -> Result<(), ExpressionError> {
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
    Ok(())
}
