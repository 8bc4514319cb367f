//! Links: Markdown `[text](target)`, wiki `[[Target|text]]`, addresses, DOIs.

use std::ops::Range;

/// A link in a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Link {
    /// All of it, in bytes.
    pub(super) span: Range<usize>,
    /// Where it leads, as an address, a path or a title.
    pub(super) target: String,
    /// The part that is no prose, in bytes.
    pub(super) address: Range<usize>,
    /// A work that is cited by its number.
    pub(super) cites: bool,
}

/// The text of a link and its target are at most this long.
const LONGEST: usize = 400;

/// The links of a text, in order. `source` is what relative paths start from.
pub(super) fn links(all: &str, source: &str) -> Vec<Link> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(next) = all.get(at..).and_then(|rest| rest.find(['[', ':', '1'])) {
        let start = at + next;
        let link = match all.as_bytes().get(start) {
            Some(b'[') => wiki(all, start).or_else(|| markdown(all, start, source)),
            Some(b':') => address(all, start, at),
            _ => doi(all, start),
        };
        at = match &link {
            Some(link) => link.span.end.max(start + 1),
            None => start + 1,
        };
        found.extend(link);
    }
    found
}

/// What stands before one of these marks, not far away and in the same line.
fn until<'a>(all: &'a str, from: usize, mark: &str) -> Option<&'a str> {
    let mut end = from.saturating_add(LONGEST).min(all.len());
    while !all.is_char_boundary(end) {
        end -= 1;
    }
    let near = all.get(from..end)?;
    let near = near.split('\n').next().unwrap_or_default();
    near.find(mark).and_then(|length| near.get(..length))
}

fn wiki(all: &str, start: usize) -> Option<Link> {
    let from = start + 2;
    all.get(start..from).filter(|open| *open == "[[")?;
    let inner = until(all, from, "]]")?;
    let target = inner.split(['|', '#']).next().unwrap_or_default().trim();
    let address_end = inner.find('|').map_or(from, |bar| from + bar + 1);
    (!target.is_empty()).then(|| Link {
        span: start..from + inner.len() + 2,
        target: target.to_owned(),
        address: from..address_end,
        cites: false,
    })
}

fn markdown(all: &str, start: usize, source: &str) -> Option<Link> {
    let text = until(all, start + 1, "]")?;
    let open = start + 1 + text.len() + 1;
    all.get(open..=open).filter(|open| *open == "(")?;
    let target = until(all, open + 1, ")")?;
    // `[Hi-me]( born 1957)` is no link.
    if target.starts_with(char::is_whitespace) {
        return None;
    }
    let end = open + 1 + target.len() + 1;
    let address = target
        .split_whitespace()
        .next()
        .filter(|target| !target.starts_with('#'))?;
    Some(Link {
        span: start..end,
        target: resolved(address.split('#').next().unwrap_or_default(), source)?,
        address: open..end,
        cites: false,
    })
}

/// `https://…` at the colon.
fn address(all: &str, colon: usize, after: usize) -> Option<Link> {
    all.get(colon..colon + 3).filter(|mark| *mark == "://")?;
    let scheme = ["https", "http", "ftp"].into_iter().find(|scheme| {
        all.get(after..colon)
            .is_some_and(|before| before.ends_with(scheme))
    })?;
    let start = colon - scheme.len();
    let mut end = colon + 3;
    for c in all.get(end..)?.chars() {
        if c.is_whitespace()
            || matches!(c, '<' | '>' | '"' | '”' | ')' | ']' | '`' | '|')
            || end - start > LONGEST
        {
            break;
        }
        end += c.len_utf8();
    }
    let url = all
        .get(start..end)?
        .trim_end_matches(['.', ',', ';', ':', '!', '?', '\'', '*']);
    let end = start + url.len();
    (url.len() > scheme.len() + 4).then(|| Link {
        span: start..end,
        target: plain(url),
        address: start..end,
        cites: false,
    })
}

/// `10.1000/xyz`
fn doi(all: &str, start: usize) -> Option<Link> {
    let rest = all.get(start..)?.strip_prefix("10.")?;
    let before = all.get(..start)?.chars().next_back();
    if before.is_some_and(|c| c.is_alphanumeric() || c == '.') {
        return None;
    }
    let prefix = rest.bytes().take(10).take_while(u8::is_ascii_digit).count();
    rest.get(prefix..)?
        .strip_prefix('/')
        .filter(|_| prefix >= 4)?;
    let length: usize = rest
        .chars()
        .take(LONGEST)
        .take_while(|c| !c.is_whitespace() && !matches!(c, ',' | ';' | '"' | '<' | '>' | ')' | ']'))
        .map(char::len_utf8)
        .sum();
    let name = rest.get(..length)?.trim_end_matches('.');
    let end = start + 3 + name.len();
    (name.len() > prefix + 1).then(|| Link {
        span: start..end,
        target: format!("doi 10.{name}"),
        address: start..end,
        cites: true,
    })
}

/// An address without what does not tell one page from another.
pub(super) fn plain(url: &str) -> String {
    let bare = url.split_once("://").map_or(url, |(_, rest)| rest);
    let bare = bare.strip_prefix("www.").unwrap_or(bare);
    bare.split('#')
        .next()
        .unwrap_or_default()
        .trim_end_matches('/')
        .to_owned()
}

/// A path as it stands from the root of its source, an address as it is.
fn resolved(target: &str, source: &str) -> Option<String> {
    if target.contains("://") {
        return Some(plain(target));
    }
    let mut parts: Vec<&str> = if target.starts_with('/') {
        Vec::new()
    } else {
        let folder = source.rsplit_once('/').map_or("", |(folder, _)| folder);
        folder
            .split_once("://")
            .map_or(folder, |(_, rest)| rest)
            .split('/')
            .collect()
    };
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    let path = parts.join("/");
    (!path.is_empty() && !target.is_empty()).then_some(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Vec<String> {
        links(text, "docs/a/b.md")
            .into_iter()
            .map(|link| link.target)
            .collect()
    }

    #[test]
    fn links_lead_somewhere() {
        assert_eq!(
            of("see [c](../c.md#x), [d](https://www.a.org/d/) and [[Target One|it]]"),
            ["docs/c.md", "a.org/d", "Target One"]
        );
        assert_eq!(
            of("at https://a.org/x. or (http://b.org) doi:10.1000/x.y, 10.5 km"),
            ["a.org/x", "b.org", "doi 10.1000/x.y"]
        );
    }

    #[test]
    fn what_is_no_link_is_left() {
        assert_eq!(
            of("[1] a[b] [c]( born 1957) [[ ]] [x](#here) :// http:// [open"),
            [""; 0]
        );
    }
}
