//! Bytes to text that can be shown: whole characters only, and nothing that may yet turn out to
//! be the beginning of a stop text.

/// Puts bytes together to text and looks for stop texts across the borders of tokens.
///
/// Of several stop texts, the one that is complete first ends the reply; of those complete with
/// the same character, the longest. However the bytes are cut, the text is the same.
#[derive(Debug, Default)]
pub struct TextOut {
    stops: Vec<Stop>,
    /// The beginning of a character.
    bytes: Vec<u8>,
    /// Text that may be the beginning of a stop text.
    held: String,
    stopped: bool,
}

/// What the new bytes came to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Piece {
    /// Text that can be shown now.
    pub text: String,
    /// A stop text is complete; what stands before it is in `text` and nothing more will come.
    pub stopped: bool,
}

impl TextOut {
    /// With these stop texts. Empty ones are never found.
    pub fn new(stops: &[String]) -> Self {
        Self {
            stops: stops
                .iter()
                .filter(|stop| !stop.is_empty())
                .map(|stop| Stop::new(stop))
                .collect(),
            ..Self::default()
        }
    }

    /// Takes in the bytes of a token.
    pub fn push(&mut self, bytes: &[u8]) -> Piece {
        if self.stopped {
            return Piece {
                text: String::new(),
                stopped: true,
            };
        }
        self.bytes.extend_from_slice(bytes);
        let text = self.characters();
        self.show(&text)
    }

    /// What was held back, at the end of the reply. Bytes that are no UTF-8 are replaced.
    pub fn finish(&mut self) -> String {
        if self.stopped {
            return String::new();
        }
        let rest = std::mem::take(&mut self.bytes);
        let piece = self.show(&String::from_utf8_lossy(&rest));
        let mut text = piece.text;
        text.push_str(&std::mem::take(&mut self.held));
        self.stops.iter_mut().for_each(|stop| stop.matched = 0);
        text
    }

    /// The characters that are complete; what is no UTF-8 is replaced.
    fn characters(&mut self) -> String {
        let mut text = String::new();
        let mut used = 0;
        let mut chunks = self.bytes.utf8_chunks().peekable();
        while let Some(chunk) = chunks.next() {
            text.push_str(chunk.valid());
            used += chunk.valid().len();
            let broken = chunk.invalid();
            if broken.is_empty() || (chunks.peek().is_none() && may_go_on(broken)) {
                continue;
            }
            text.push(char::REPLACEMENT_CHARACTER);
            used += broken.len();
        }
        self.bytes.drain(..used);
        text
    }

    fn show(&mut self, text: &str) -> Piece {
        let before = self.held.len();
        self.held.push_str(text);
        for (at, byte) in text.bytes().enumerate() {
            let longest = self
                .stops
                .iter_mut()
                .filter_map(|stop| stop.step(byte))
                .max();
            if let Some(length) = longest {
                self.stopped = true;
                self.held.truncate(before + at + 1 - length);
                return Piece {
                    text: std::mem::take(&mut self.held),
                    stopped: true,
                };
            }
        }
        let back = self.stops.iter().map(|stop| stop.matched).max();
        let shown = self.held.len() - back.unwrap_or(0);
        Piece {
            text: self.held.drain(..shown).collect(),
            stopped: false,
        }
    }
}

/// Whether bytes that are no character may become one with more bytes.
fn may_go_on(bytes: &[u8]) -> bool {
    std::str::from_utf8(bytes).is_err_and(|error| error.error_len().is_none())
}

/// A stop text and how much of it stands at the end of the text so far (Knuth, Morris, Pratt).
#[derive(Debug)]
struct Stop {
    bytes: Vec<u8>,
    /// For each beginning, the longest shorter beginning that it ends with.
    borders: Vec<usize>,
    matched: usize,
}

impl Stop {
    fn new(text: &str) -> Self {
        let mut stop = Self {
            bytes: text.as_bytes().to_vec(),
            borders: vec![0],
            matched: 0,
        };
        for byte in text.bytes().skip(1) {
            stop.matched = stop.after(byte);
            stop.borders.push(stop.matched);
        }
        stop.matched = 0;
        stop
    }

    /// Takes in a byte; the length of the stop text when it is complete.
    fn step(&mut self, byte: u8) -> Option<usize> {
        self.matched = self.after(byte);
        (self.matched == self.bytes.len()).then_some(self.matched)
    }

    fn after(&self, byte: u8) -> usize {
        let mut matched = self.matched;
        loop {
            if self.bytes.get(matched) == Some(&byte) {
                return matched + 1;
            }
            match matched.checked_sub(1).and_then(|at| self.borders.get(at)) {
                Some(&border) => matched = border,
                None => return 0,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn run(stops: &[String], pieces: &[&[u8]]) -> (String, bool) {
        let mut out = TextOut::new(stops);
        let mut text = String::new();
        for piece in pieces {
            let piece = out.push(piece);
            text.push_str(&piece.text);
            if piece.stopped {
                assert_eq!(out.push(b"more").text, "");
                assert_eq!(out.finish(), "");
                return (text, true);
            }
        }
        text.push_str(&out.finish());
        let stopped = out.stopped;
        (text, stopped)
    }

    /// What stands before the stop text that is complete first, by trying every end.
    fn expected(stops: &[String], text: &str) -> (String, bool) {
        let ends = (0..=text.len()).filter(|end| text.is_char_boundary(*end));
        for end in ends {
            let before = &text[..end];
            let longest = stops
                .iter()
                .filter(|stop| !stop.is_empty() && before.ends_with(stop.as_str()))
                .map(String::len)
                .max();
            if let Some(length) = longest {
                return (before[..end - length].to_owned(), true);
            }
        }
        (text.to_owned(), false)
    }

    fn cut<'b>(bytes: &'b [u8], cuts: &[usize]) -> Vec<&'b [u8]> {
        let mut at = 0;
        let mut pieces = Vec::new();
        for cut in cuts {
            let end = (at + cut).min(bytes.len());
            pieces.push(&bytes[at..end]);
            at = end;
        }
        pieces.push(&bytes[at..]);
        pieces
    }

    proptest! {
        #[test]
        fn any_cut_of_any_bytes_gives_the_same_text(
            bytes in prop::collection::vec(
                prop_oneof![any::<u8>(), Just(0xC3), Just(0xA9), Just(0xF0), Just(0x9F), Just(b'a')],
                0..40,
            ),
            cuts in prop::collection::vec(0_usize..5, 0..40),
        ) {
            let whole = String::from_utf8_lossy(&bytes).into_owned();
            prop_assert_eq!(run(&[], &cut(&bytes, &cuts)), (whole, false));
        }

        #[test]
        fn text_ends_before_the_stop_text_that_is_complete_first(
            text in "[abé€]{0,24}",
            stops in prop::collection::vec("[abé€]{0,5}", 0..4),
            cuts in prop::collection::vec(0_usize..4, 0..40),
        ) {
            prop_assert_eq!(run(&stops, &cut(text.as_bytes(), &cuts)), expected(&stops, &text));
        }
    }

    #[test]
    fn only_what_may_be_a_stop_text_is_held_back() {
        let mut out = TextOut::new(&["\nUser:".to_owned()]);
        assert_eq!(out.push(b"Hello").text, "Hello");
        assert_eq!(out.push(b" there\nU").text, " there");
        assert_eq!(out.push(b"nited").text, "\nUnited");
        assert_eq!(out.push(b"\nUser").text, "");
        assert_eq!(
            out.push(b": x"),
            Piece {
                text: String::new(),
                stopped: true
            }
        );
    }

    #[test]
    fn a_character_waits_for_its_bytes() {
        let mut out = TextOut::new(&[]);
        let smile = "\u{1F600}".as_bytes();
        assert_eq!(out.push(&smile[..3]).text, "");
        assert_eq!(out.push(&smile[3..]).text, "\u{1F600}");
        assert_eq!(out.push(&smile[..2]).text, "");
        assert_eq!(out.finish(), "\u{FFFD}");
    }
}
