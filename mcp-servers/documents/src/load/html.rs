//! HTML pages, turned into Markdown: what a reader would not read is dropped.

use htmd::HtmlToMarkdown;

use super::markdown::{self, day};
use super::stated_title;
use crate::document::{Document, LoadError};

/// Elements inside elements at which a page is refused. Real pages stay below 100; the converter
/// descends by recursion, and a stack that overflows ends the whole program.
const MAX_DEPTH: usize = 1_000;

/// Stack for the conversion: many times what [`MAX_DEPTH`] needs.
const STACK_BYTES: usize = 64 << 20;

/// Names under which pages state when they were written, most telling first.
const DATES: [&str; 6] = [
    "article:modified_time",
    "article:published_time",
    "dcterms.modified",
    "dcterms.date",
    "dc.date",
    "date",
];

/// A page as a document.
pub(super) fn html(name: &str, path: String, text: &str) -> Result<Document, LoadError> {
    let malformed = |message: String| LoadError::Malformed {
        path: path.clone(),
        place: String::new(),
        message,
    };
    if let Some(line) = too_deep(text) {
        return Err(malformed(format!(
            "at line {line}, elements lie more than {MAX_DEPTH} deep in each other; is it a page \
             for people?"
        )));
    }
    let converted = std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().stack_size(STACK_BYTES);
        let converting = thread.spawn_scoped(scope, || converter().convert(text))?;
        // Anything a converter may panic about is the page's fault here.
        let broken = |_| std::io::Error::other("it breaks the converter");
        converting.join().map_err(broken)?
    });
    let body = converted.map_err(|error| malformed(format!("the page cannot be read: {error}")))?;
    let mut document = markdown::markdown(name, path.clone(), body, "html")?;
    let title = between(text, "<title", "</title>")
        .and_then(|title| title.split_once('>'))
        .and_then(|(_, title)| stated_title(title));
    if let Some(title) = title {
        document.title = title;
    }
    document.date = document.date.take().or_else(|| stated_date(text));
    Ok(document)
}

fn converter() -> HtmlToMarkdown {
    HtmlToMarkdown::builder()
        .skip_tags(vec![
            "script", "style", "nav", "footer", "noscript", "svg", "iframe", "head",
        ])
        .build()
}

fn between<'a>(text: &'a str, open: &str, close: &str) -> Option<&'a str> {
    let start = find(text, open, 0)? + open.len();
    let end = find(text, close, start)?;
    text.get(start..end)
}

/// Where `wanted`, in lower case, occurs from `from` on, whatever its case in the text.
fn find(text: &str, wanted: &str, from: usize) -> Option<usize> {
    let (text, wanted) = (text.as_bytes(), wanted.as_bytes());
    text.get(from..)?
        .windows(wanted.len())
        .position(|window| window.eq_ignore_ascii_case(wanted))
        .map(|at| from + at)
}

/// What a `meta` element says of the day the page was written.
fn stated_date(text: &str) -> Option<String> {
    let mut stated: Vec<(usize, String)> = Vec::new();
    let mut at = 0;
    while let Some(start) = find(text, "<meta", at) {
        let rest = text.get(start..)?;
        let tag = rest.split('>').next().unwrap_or_default();
        at = start + tag.len().max(1);
        let Some(name) = attribute(tag, "name").or_else(|| attribute(tag, "property")) else {
            continue;
        };
        let rank = DATES
            .iter()
            .position(|date| name.eq_ignore_ascii_case(date));
        let content = attribute(tag, "content").and_then(day);
        if let (Some(rank), Some(day)) = (rank, content) {
            stated.push((rank, day));
        }
    }
    stated.into_iter().min().map(|(_, day)| day)
}

fn attribute<'a>(tag: &'a str, name: &str) -> Option<&'a str> {
    let start = find(tag, &format!(" {name}="), 0)? + name.len() + 2;
    let value = tag.get(start..)?;
    match value.chars().next()? {
        quote @ ('"' | '\'') => value.get(1..)?.split(quote).next(),
        _ => value.split_whitespace().next(),
    }
}

/// The line at which a page nests too deep. End tags close what they name, as in a parser; end
/// tags of what is not open are passed over.
fn too_deep(text: &str) -> Option<usize> {
    // What closes by itself when the next one begins, and what holds nothing.
    const UNCOUNTED: &[&str] = &[
        "area", "base", "body", "br", "col", "colgroup", "dd", "dt", "embed", "head", "hr", "html",
        "img", "input", "li", "link", "meta", "option", "p", "param", "rp", "rt", "source",
        "tbody", "td", "tfoot", "th", "thead", "tr", "track", "wbr",
    ];
    let mut open: Vec<String> = Vec::new();
    let mut at = 0;
    while let Some(offset) = text.get(at..)?.find('<') {
        let start = at + offset;
        at = start + 1;
        let rest = text.get(at..)?;
        if rest.starts_with("!--") {
            at = rest.find("-->").map_or(text.len(), |end| at + end);
            continue;
        }
        let (closes, rest) = match rest.strip_prefix('/') {
            Some(rest) => (true, rest),
            None => (false, rest),
        };
        let name: String = rest
            .chars()
            .take_while(char::is_ascii_alphanumeric)
            .map(|c| c.to_ascii_lowercase())
            .collect();
        if name.is_empty() || UNCOUNTED.contains(&name.as_str()) {
            continue;
        }
        if closes {
            if let Some(position) = open.iter().rposition(|other| *other == name) {
                open.truncate(position);
            }
            continue;
        }
        if name == "script" || name == "style" {
            at = find(text, &format!("</{name}"), at).unwrap_or(text.len());
            continue;
        }
        open.push(name);
        if open.len() > MAX_DEPTH {
            let before = text.get(..start).unwrap_or_default();
            return Some(before.matches('\n').count() + 1);
        }
    }
    None
}
