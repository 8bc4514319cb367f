//! Where a property goes into an object, and what goes when it goes.

use std::ops::Range;

use jsonc_parser::ast::{Object, ObjectProp};

use super::layout::{Layout, Written, quoted};

/// Places in a text, and what is to stand there instead.
pub(super) type Splices = Vec<(Range<usize>, String)>;

pub(super) fn inside<'a>(text: &'a str, object: &Object<'_>) -> &'a str {
    let within = object.range.start + 1..object.range.end.saturating_sub(1);
    text.get(within).unwrap_or_default()
}

/// The insertions that add a property at the end of an object, in the way the object is laid out.
pub(super) fn insertion(
    text: &str,
    object: &Object<'_>,
    layout: &Layout,
    key: &str,
    value: &Written,
) -> Splices {
    let (start, end) = (object.range.start, object.range.end);
    let Some(last) = object.properties.last() else {
        let indent = indent_of_line(text, start);
        let deeper = format!("{indent}{}", layout.unit);
        let value = value.over_lines(layout, &deeper);
        let newline = layout.newline;
        let property = format!("{newline}{deeper}{}: {value}", quoted(key));
        // What is inside is space and comments, which stay before it.
        let kept = start + 1 + inside(text, object).trim_end().len();
        let rest = text.get(kept..end.saturating_sub(1)).unwrap_or_default();
        let close = if rest.contains('\n') {
            String::new()
        } else {
            format!("{newline}{indent}")
        };
        return vec![(kept..kept, format!("{property}{close}"))];
    };
    let around = [start..last.range.start, last.range.end..end];
    let over_lines = around
        .into_iter()
        .any(|part| text.get(part).is_some_and(|part| part.contains('\n')));
    let (gap, value) = if over_lines {
        let indent = indent_of_line(text, last.range.start);
        let value = value.over_lines(layout, indent);
        (format!("{}{indent}", layout.newline), value)
    } else {
        (" ".to_owned(), value.on_one_line())
    };
    let property = format!("{gap}{}: {value}", quoted(key));
    match comma_after(text, last.range.end) {
        Some(comma) => {
            let place = rest_of_line(text, comma + 1);
            vec![(place..place, format!("{property},"))]
        }
        None => {
            let (last_end, place) = (last.range.end, rest_of_line(text, last.range.end));
            if place == last_end {
                vec![(place..place, format!(",{property}"))]
            } else {
                vec![
                    (last_end..last_end, ",".to_owned()),
                    (place..place, property),
                ]
            }
        }
    }
}

/// The cuts that take a property out of an object, and its comma; comments around it stay.
pub(super) fn removal(text: &str, object: &Object<'_>, property: &ObjectProp<'_>) -> Splices {
    let (start, end) = (property.range.start, property.range.end);
    let close = object.range.end.saturating_sub(1);
    let gap = text.get(..start).unwrap_or_default().trim_end().len();
    let mut before = object.properties.iter().rev();
    let previous = before.find(|other| other.range.start < start);
    let noted = ends_with_line_comment(
        text,
        previous.map_or(object.range.start + 1, |previous| previous.range.end)..gap,
    );
    // What follows on the line must not slip into a comment on the line before.
    let from = |end: usize| {
        let line = text.get(end..).unwrap_or_default().lines().next();
        let followed = line.is_some_and(|line| !line.trim().is_empty());
        if noted && followed { start } else { gap }
    };
    let nothing = String::new;
    match comma_after(text, end) {
        Some(comma) if comma == end => return vec![(from(end + 1)..end + 1, nothing())],
        Some(comma) => return vec![(from(end)..end, nothing()), (comma..comma + 1, nothing())],
        None => {}
    }
    match previous.and_then(|previous| comma_after(text, previous.range.end)) {
        Some(comma) => vec![(comma..comma + 1, nothing()), (from(end)..end, nothing())],
        // It was alone: if nothing but its place is left, the object closes on the same line.
        None => {
            let rest = text.get(end..close).unwrap_or_default();
            let bare = gap == object.range.start + 1 && rest.trim().is_empty();
            vec![if bare { gap..close } else { from(end)..end }]
                .into_iter()
                .map(|cut| (cut, nothing()))
                .collect()
        }
    }
}

/// The white space that a line begins with on which this byte stands.
fn indent_of_line(text: &str, at: usize) -> &str {
    let before = text.get(..at).unwrap_or_default();
    let line = before.rfind('\n').map_or(0, |newline| newline + 1);
    let line = text.get(line..).unwrap_or_default();
    let rest = line.trim_start_matches([' ', '\t']);
    line.strip_suffix(rest).unwrap_or_default()
}

/// Where the next comma is, if nothing but space and comments is before it.
fn comma_after(text: &str, at: usize) -> Option<usize> {
    let mut at = at;
    loop {
        let rest = text.get(at..)?;
        let skipped = rest.len() - rest.trim_start().len();
        let rest = rest.trim_start();
        at += skipped;
        if rest.starts_with(',') {
            return Some(at);
        }
        at += comment(rest)?;
    }
}

/// Where what is on the same line ends, as long as it is space and comments; `at` itself if
/// nothing is there but space.
fn rest_of_line(text: &str, at: usize) -> usize {
    let (mut at, mut end) = (at, at);
    while let Some(rest) = text.get(at..) {
        let skipped = rest.len() - rest.trim_start_matches([' ', '\t']).len();
        let Some(length) = comment(rest.get(skipped..).unwrap_or_default()) else {
            break;
        };
        at += skipped + length;
        end = at;
    }
    end
}

/// The length of the comment that a text begins with.
fn comment(text: &str) -> Option<usize> {
    if text.starts_with("//") {
        return Some(text.find(['\r', '\n']).unwrap_or(text.len()));
    }
    let inner = text.strip_prefix("/*")?;
    Some(inner.find("*/").map_or(text.len(), |end| end + 4))
}

/// Whether the space, commas and comments in a place end with a comment up to the line's end.
fn ends_with_line_comment(text: &str, place: Range<usize>) -> bool {
    let mut rest = text.get(place).unwrap_or_default();
    loop {
        rest = rest.trim_start_matches(|c: char| c.is_whitespace() || c == ',');
        let Some(length) = comment(rest) else {
            return false;
        };
        if length == rest.len() {
            return rest.starts_with("//");
        }
        rest = rest.get(length..).unwrap_or_default();
    }
}
