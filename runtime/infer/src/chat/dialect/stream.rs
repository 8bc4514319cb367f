//! Text that comes in pieces: white space at its ends, and markers across its borders.

/// Text without white space at its ends: that at the end is held until something follows.
#[derive(Debug, Default)]
pub(super) struct Trimmed {
    /// What was passed on.
    pub(super) out: String,
    /// White space that nothing follows yet.
    pub(super) held: String,
}

impl Trimmed {
    /// What of it can be passed on.
    pub(super) fn push(&mut self, text: &str) -> String {
        let text = if self.out.is_empty() {
            text.trim_start()
        } else {
            text
        };
        let body = text.trim_end();
        let space = text.get(body.len()..).unwrap_or("");
        if body.is_empty() {
            if !self.out.is_empty() {
                self.held.push_str(space);
            }
            return String::new();
        }
        let mut new = std::mem::take(&mut self.held);
        new.push_str(body);
        self.out.push_str(&new);
        self.held.push_str(space);
        new
    }
}

/// Where a marker is.
pub(super) enum Found<'a> {
    /// The first one.
    Whole { at: usize, marker: &'a str },
    /// From here on there could be one, when more text comes; at the end of the text when not.
    Perhaps { at: usize },
}

/// The first of some markers in a text that goes on.
pub(super) fn find<'a>(text: &str, markers: &[&'a str]) -> Found<'a> {
    let whole = markers
        .iter()
        .filter_map(|marker| Some((text.find(marker)?, *marker)))
        .min_by_key(|(at, marker)| (*at, usize::MAX - marker.len()));
    if let Some((at, marker)) = whole {
        return Found::Whole { at, marker };
    }
    let longest = markers.iter().map(|marker| marker.len()).max().unwrap_or(0);
    let mut tail = text.len().saturating_sub(longest.saturating_sub(1))..text.len();
    let perhaps = tail.find(|at| {
        let rest = text.get(*at..);
        rest.is_some_and(|rest| markers.iter().any(|marker| marker.starts_with(rest)))
    });
    Found::Perhaps {
        at: perhaps.unwrap_or(text.len()),
    }
}
