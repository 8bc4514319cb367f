//! Names from programs: `snake_case`, `CamelCase`, `a::b`, `foo()`, paths; in backticks or not.

use std::ops::Range;

/// What is code in a text, in bytes.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Code {
    /// Identifiers and paths.
    pub(super) names: Vec<Range<usize>>,
    /// Where capitals are not to be read as names: fenced blocks, backticks.
    pub(super) spans: Vec<Range<usize>>,
}

/// Longer ones are data.
const LONGEST: usize = 120;

/// The code in a text.
pub(super) fn code(all: &str) -> Code {
    let mut code = Code::default();
    let mut at = 0;
    let mut plain = 0;
    while let Some(found) = all.get(at..).and_then(|rest| rest.find('`')) {
        let open = at + found;
        let ticks = all.get(open..).map_or(0, |rest| {
            rest.bytes().take_while(|byte| *byte == b'`').count()
        });
        let inner = open + ticks;
        let mark = if ticks >= 3 { "```" } else { "`" };
        let rest = all.get(inner..).unwrap_or_default();
        // Inline code ends in its line; a fence may hold pages.
        let within = if ticks >= 3 {
            rest
        } else {
            rest.split('\n').next().unwrap_or_default()
        };
        let Some(length) = within.find(mark).filter(|length| *length > 0) else {
            if ticks >= 3 {
                break; // never closed, and so is no other that follows
            }
            at = inner;
            if within.len() < rest.len() {
                at = inner + within.len();
            }
            continue;
        };
        bare(all, plain..open, &mut code.names);
        let close = inner + length;
        code.spans.push(inner..close);
        if ticks >= 3 {
            bare(all, inner..close, &mut code.names);
        } else {
            code.names.extend(inline(all, inner..close));
        }
        at = close + mark.len();
        plain = at;
    }
    bare(all, plain..all.len(), &mut code.names);
    code
}

/// What stands in backticks: an identifier, without its arguments.
fn inline(all: &str, span: Range<usize>) -> Option<Range<usize>> {
    let inner = all.get(span.clone())?;
    let end = inner.find('(').filter(|at| *at > 0).unwrap_or(inner.len());
    let name = inner.get(..end)?.trim_end();
    let fits = name.len() <= LONGEST
        && !name.contains(char::is_whitespace)
        && name.chars().filter(|c| c.is_alphabetic()).count() >= 2;
    fits.then_some(span.start..span.start + name.len())
}

/// Identifiers that need no backticks to be told.
fn bare(all: &str, span: Range<usize>, out: &mut Vec<Range<usize>>) {
    let Some(part) = all.get(span.clone()) else {
        return;
    };
    let mut from: Option<usize> = None;
    for (at, c) in part.char_indices().chain([(part.len(), ' ')]) {
        let breaks = c.is_whitespace()
            || matches!(
                c,
                ',' | ';' | '"' | '“' | '”' | '[' | ']' | '{' | '}' | '<' | '>' | '|' | '='
            );
        match (from, breaks) {
            (None, false) => from = Some(at),
            (Some(start), true) => {
                if let Some(chunk) = part.get(start..at).filter(|chunk| chunk.len() <= LONGEST)
                    && let Some(name) = identifier(chunk)
                {
                    let start = span.start + start + name.start;
                    out.push(start..start + name.len());
                }
                from = None;
            }
            _ => {}
        }
    }
}

/// The identifier that a run of characters without spaces is.
fn identifier(chunk: &str) -> Option<Range<usize>> {
    let called = chunk.contains("()");
    let body = chunk.trim_start_matches(['(', '\'', '*']);
    let start = chunk.len() - body.len();
    let body = body.split("()").next().unwrap_or_default();
    let body = body.trim_end_matches(['.', ':', ')', '\'', '!', '?', '*', '…']);
    if body.len() < 3 || body.contains("://") || !body.is_ascii() {
        return None;
    }
    let plain = body.bytes().all(|byte| {
        byte.is_ascii_alphanumeric()
            || matches!(byte, b'_' | b':' | b'.' | b'/' | b'-' | b'~' | b'\\' | b'@')
    });
    let lettered = body.bytes().filter(u8::is_ascii_alphabetic).count() >= 2;
    let code =
        plain && lettered && (called || snake(body) || scoped(body) || path(body) || camel(body));
    code.then_some(start..start + body.len())
}

fn snake(body: &str) -> bool {
    body.split('_').count() > 1
        && body.trim_matches('_').contains('_')
        && body
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b':'))
}

fn scoped(body: &str) -> bool {
    body.split("::").count() > 1
        && body
            .split("::")
            .all(|part| !part.is_empty() && !part.contains(':'))
}

/// `src/main.rs`, `/usr/bin`, `./x`; not `and/or` or `1/2`.
fn path(body: &str) -> bool {
    let rooted = body.starts_with("./")
        || body.starts_with("../")
        || body.starts_with("~/")
        || (body.starts_with('/') && body.split('/').filter(|part| !part.is_empty()).count() > 1);
    let extension = body.rsplit_once('.').is_some_and(|(before, end)| {
        (1..=5).contains(&end.len())
            && end.bytes().all(|byte| byte.is_ascii_lowercase())
            && before.contains('/')
    });
    (rooted || extension) && !body.contains("//")
}

/// `HashMap`, `parseText`; not `McDonald`, `iPhone` or `DeVito`.
fn camel(body: &str) -> bool {
    if !body.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return false;
    }
    let bytes = body.as_bytes();
    let humps = bytes
        .windows(2)
        .filter(|pair| matches!(pair, [a, b] if a.is_ascii_lowercase() && b.is_ascii_uppercase()))
        .count();
    let first_hump = bytes.windows(2).position(
        |pair| matches!(pair, [a, b] if a.is_ascii_lowercase() && b.is_ascii_uppercase()),
    );
    let ends_lower = bytes.last().is_some_and(u8::is_ascii_lowercase);
    humps > 0 && ends_lower && first_hump.is_some_and(|at| at >= 3)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Vec<&str> {
        code(text)
            .names
            .into_iter()
            .map(|span| &text[span])
            .collect()
    }

    #[test]
    fn identifiers_are_found_without_backticks() {
        assert_eq!(
            of("call parse_text() or std::fs::read, then HashMap in src/main.rs."),
            ["parse_text", "std::fs::read", "HashMap", "src/main.rs"]
        );
        assert_eq!(
            of("and/or 1/2 McDonald DeVito iPhone http://a_b.org/x 3:4 e.g. U.S.A"),
            [""; 0]
        );
    }

    #[test]
    fn backticks_hold_any_identifier() {
        assert_eq!(
            of("use `read` and `open(path)` but `two words`, ```\nlet x = a_b;\n```"),
            ["read", "open", "a_b"]
        );
        assert_eq!(of("a lone ` tick\nand `one`"), ["one"]);
    }
}
