//! Tokens that are written out in a text, and whether they may be taken for what they are.
//!
//! Special tokens are found only where the text is trusted to name them. Added tokens that stand
//! for text (runs of spaces, `<table>`) are found everywhere, as in every other program, except
//! those by which a conversation is laid out (`<tool_call>`): a user who writes one out must not
//! be able to lay out the conversation.

use std::ops::Range;

use aho_corasick::{AhoCorasick, AhoCorasickKind, Anchored, Input, MatchKind, StartKind};

use super::unusable;
use crate::error::InferError;

/// A token that is found by its text before anything else looks at the text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Marker {
    /// Its id.
    pub(super) token: u32,
    /// How it is written.
    pub(super) text: String,
    /// Only the template may write it.
    pub(super) guarded: bool,
    /// White space before it belongs to it.
    pub(super) strips_left: bool,
    /// White space after it belongs to it.
    pub(super) strips_right: bool,
    /// Found only where no letter or digit is beside it.
    pub(super) single_word: bool,
}

impl Marker {
    /// A marker that takes nothing of what is beside it.
    pub(super) fn new(token: u32, text: impl Into<String>, guarded: bool) -> Self {
        Self {
            token,
            text: text.into(),
            guarded,
            strips_left: false,
            strips_right: false,
            single_word: false,
        }
    }
}

/// A part of a text: a marker, or text between markers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Stretch {
    /// A token that is written out.
    Marker {
        /// Which.
        token: u32,
        /// Where, with the white space that it takes.
        range: Range<usize>,
    },
    /// Text, never empty.
    Text(Range<usize>),
}

/// Finds the markers of a vocabulary.
#[derive(Debug)]
pub(super) struct Markers {
    markers: Vec<Marker>,
    all: Option<AhoCorasick>,
    open: Option<AhoCorasick>,
    /// Index into `markers` for each pattern of `open`.
    open_markers: Vec<usize>,
}

impl Markers {
    /// For these tokens.
    pub(super) fn new(markers: Vec<Marker>) -> Result<Self, InferError> {
        let markers: Vec<Marker> = markers
            .into_iter()
            .filter(|marker| !marker.text.is_empty())
            .collect();
        let open_markers: Vec<usize> = (0..markers.len())
            .filter(|&at| markers.get(at).is_some_and(|marker| !marker.guarded))
            .collect();
        let all = automaton(markers.iter())?;
        let open = automaton(open_markers.iter().filter_map(|&at| markers.get(at)))?;
        Ok(Self {
            markers,
            all,
            open,
            open_markers,
        })
    }

    /// The stretches of a text, in order, without gaps. Guarded markers are found only within the
    /// ranges of `trusted`, which are in order; ranges that touch count as one.
    pub(super) fn find(&self, text: &str, trusted: &[Range<usize>]) -> Vec<Stretch> {
        let mut stretches = Vec::new();
        let trusted = joined(trusted);
        let mut done = 0;
        let mut from = 0;
        while let Some((marker, found)) = self.next(text, from, &trusted) {
            from = found.end;
            if marker.single_word && touches_word(text, &found) {
                continue;
            }
            let mut range = found;
            if marker.strips_left {
                let before = text.get(done..range.start).unwrap_or_default();
                range.start = done + before.trim_end().len();
            }
            if marker.strips_right {
                let after = text.get(range.end..).unwrap_or_default();
                range.end += after.len() - after.trim_start().len();
            }
            push_text(&mut stretches, done..range.start);
            done = range.end;
            from = range.end;
            stretches.push(Stretch::Marker {
                token: marker.token,
                range,
            });
        }
        push_text(&mut stretches, done..text.len());
        stretches
    }

    /// The next marker that may be taken, from a place on.
    fn next(
        &self,
        text: &str,
        mut from: usize,
        trusted: &[Range<usize>],
    ) -> Option<(&Marker, Range<usize>)> {
        // Without trust there is nothing to weigh: the open markers alone.
        if trusted.is_empty() {
            let found = self.open.as_ref()?.find(Input::new(text).range(from..))?;
            let at = self.open_markers.get(found.pattern().as_usize())?;
            return Some((self.markers.get(*at)?, found.range()));
        }
        loop {
            let found = self.all.as_ref()?.find(Input::new(text).range(from..))?;
            let marker = self.markers.get(found.pattern().as_usize())?;
            if !marker.guarded || within(trusted, &found.range()) {
                return Some((marker, found.range()));
            }
            // An open marker may begin at the same place and be shorter.
            let here = Input::new(text)
                .range(found.start()..)
                .anchored(Anchored::Yes);
            if let Some(open) = self.open.as_ref().and_then(|open| open.find(here)) {
                let at = self.open_markers.get(open.pattern().as_usize())?;
                return Some((self.markers.get(*at)?, open.range()));
            }
            let first = text.get(found.start()..)?.chars().next()?;
            from = found.start() + first.len_utf8();
        }
    }
}

fn automaton<'m>(
    markers: impl Iterator<Item = &'m Marker>,
) -> Result<Option<AhoCorasick>, InferError> {
    let texts: Vec<&str> = markers.map(|marker| marker.text.as_str()).collect();
    if texts.is_empty() {
        return Ok(None);
    }
    AhoCorasick::builder()
        .match_kind(MatchKind::LeftmostLongest)
        .start_kind(StartKind::Both)
        .kind(Some(AhoCorasickKind::ContiguousNFA))
        .build(texts)
        .map(Some)
        .map_err(|error| unusable(format!("its added tokens are too many to search: {error}")))
}

fn joined(ranges: &[Range<usize>]) -> Vec<Range<usize>> {
    let mut joined: Vec<Range<usize>> = Vec::with_capacity(ranges.len());
    for range in ranges.iter().filter(|range| !range.is_empty()) {
        match joined.last_mut() {
            Some(last) if last.end == range.start => last.end = range.end,
            _ => joined.push(range.clone()),
        }
    }
    joined
}

fn within(ranges: &[Range<usize>], inner: &Range<usize>) -> bool {
    let at = ranges.partition_point(|range| range.end < inner.end);
    ranges
        .get(at)
        .is_some_and(|range| range.start <= inner.start)
}

fn touches_word(text: &str, range: &Range<usize>) -> bool {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let before = text.get(..range.start).and_then(|t| t.chars().next_back());
    let after = text.get(range.end..).and_then(|t| t.chars().next());
    before.is_some_and(is_word) || after.is_some_and(is_word)
}

fn push_text(stretches: &mut Vec<Stretch>, range: Range<usize>) {
    if !range.is_empty() {
        stretches.push(Stretch::Text(range));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn markers() -> Markers {
        Markers::new(vec![
            Marker::new(1, "<|end|>", true),
            Marker::new(2, "<|", false),
            Marker::new(3, "    ", false),
            Marker::new(4, "  ", false),
        ])
        .unwrap()
    }

    fn find(text: &str, trusted: &[(usize, usize)]) -> Vec<u32> {
        let trusted: Vec<_> = trusted.iter().map(|(start, end)| *start..*end).collect();
        tokens(&markers().find(text, &trusted))
    }

    fn tokens(stretches: &[Stretch]) -> Vec<u32> {
        stretches
            .iter()
            .filter_map(|stretch| match stretch {
                Stretch::Marker { token, .. } => Some(*token),
                Stretch::Text(_) => None,
            })
            .collect()
    }

    #[test]
    fn a_guarded_marker_is_found_only_where_it_is_trusted() {
        assert_eq!(find("a<|end|>b", &[(0, 9)]), [1]);
        assert_eq!(find("a<|end|>b", &[]), [2]);
        // Half of it is a user's.
        assert_eq!(find("a<|end|>b", &[(0, 4)]), [2]);
        assert_eq!(find("<|end|><|end|>", &[(7, 14)]), [2, 1]);
        // Two trusted parts that touch are one.
        assert_eq!(find("a<|end|>b", &[(0, 4), (4, 9)]), [1]);
    }

    #[test]
    fn the_longest_run_of_spaces_wins() {
        assert_eq!(tokens(&markers().find("x       y", &[])), [3, 4]);
    }

    #[test]
    fn stretches_cover_the_text_without_gaps() {
        let markers = markers();
        for text in [
            "",
            "a",
            "<|end|>",
            "a <|end|>   <|<|end|>é",
            "    \u{1F600}<|",
        ] {
            for trusted in [0..0, 0..text.len()] {
                let mut at = 0;
                for stretch in markers.find(text, std::slice::from_ref(&trusted)) {
                    let (Stretch::Text(range) | Stretch::Marker { range, .. }) = stretch;
                    assert_eq!(range.start, at);
                    assert!(!range.is_empty());
                    assert!(text.is_char_boundary(range.end));
                    at = range.end;
                }
                assert_eq!(at, text.len());
            }
        }
    }

    #[test]
    fn white_space_beside_a_marker_can_belong_to_it() {
        let mut strips = Marker::new(7, "<x>", true);
        strips.strips_left = true;
        strips.strips_right = true;
        let markers = Markers::new(vec![strips]).unwrap();
        let text = "a \n<x>\t b";
        let whole = 0..text.len();
        let stretches = markers.find(text, std::slice::from_ref(&whole));
        assert_eq!(
            stretches,
            [
                Stretch::Text(0..1),
                Stretch::Marker {
                    token: 7,
                    range: 1..8
                },
                Stretch::Text(8..9),
            ]
        );
    }
}
