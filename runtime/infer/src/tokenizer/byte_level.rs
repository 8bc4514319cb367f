//! Byte-level BPE: a text is cut, the bytes of each cut are written as printable characters, and
//! pairs of them are merged by rank.

use std::ops::Range;

use tokenizers::Model as _;
use tokenizers::models::bpe::{BPE, Vocab};
use tokenizers::utils::SysRegex;

use super::split::Split;
use super::unusable;
use crate::error::InferError;

/// Encodes text between markers.
pub(super) struct ByteLevel {
    cuts: Vec<SysRegex>,
    merges: BPE,
    letters: [char; 256],
}

impl ByteLevel {
    /// `vocabulary` maps tokens as they are written in the file to their ids; `merges` are in the
    /// order of their rank.
    ///
    /// # Errors
    /// A merge of tokens that the vocabulary does not have; bytes that have no token.
    pub(super) fn new(
        vocabulary: Vec<(String, u32)>,
        merges: Vec<(String, String)>,
        split: Split,
    ) -> Result<Self, InferError> {
        let cuts = split
            .patterns
            .iter()
            .map(|pattern| SysRegex::new(pattern))
            .collect::<Result<Vec<_>, _>>()
            .map_err(|error| unusable(format!("its pre-tokenizer cannot be built: {error}")))?;
        let letters = letters();
        let merges = BPE::builder()
            .vocab_and_merges(vocabulary.into_iter().collect::<Vocab>(), merges)
            .ignore_merges(split.whole_words)
            .build()
            .map_err(|error| {
                unusable(format!(
                    "`tokenizer.ggml.merges` does not fit `tokenizer.ggml.tokens`: {error}; \
                     the file is damaged, convert or download it again"
                ))
            })?;
        // Bytes that no UTF-8 text contains may be missing.
        let missing = (0..=255_u8)
            .filter(|byte| is_utf8_byte(*byte))
            .find(|byte| {
                merges
                    .token_to_id(letters_of(&[*byte], &letters).as_str())
                    .is_none()
            });
        if let Some(byte) = missing {
            return Err(unusable(format!(
                "no token stands for the byte {byte:#04x}, so not every text can be written; \
                 the file is damaged, convert or download it again"
            )));
        }
        Ok(Self {
            cuts,
            merges,
            letters,
        })
    }

    /// Adds the tokens of a text.
    pub(super) fn encode(&self, text: &str, tokens: &mut Vec<u32>) -> Result<(), InferError> {
        for range in self.cut(text) {
            let word = text.get(range).unwrap_or_default();
            let written = letters_of(word.as_bytes(), &self.letters);
            let found = self
                .merges
                .tokenize(&written)
                .map_err(|error| unusable(format!("a text cannot be encoded: {error}")))?;
            tokens.extend(found.into_iter().map(|token| token.id));
        }
        Ok(())
    }

    fn cut(&self, text: &str) -> Vec<Range<usize>> {
        let mut cuts = Vec::new();
        push(&mut cuts, 0..text.len());
        for pattern in &self.cuts {
            let mut finer = Vec::with_capacity(cuts.len());
            for cut in cuts {
                let part = text.get(cut.clone()).unwrap_or_default();
                let mut done = cut.start;
                for (start, end) in pattern.find_iter(part) {
                    push(&mut finer, done..cut.start + start);
                    push(&mut finer, cut.start + start..cut.start + end);
                    done = cut.start + end;
                }
                push(&mut finer, done..cut.end);
            }
            cuts = finer;
        }
        cuts
    }
}

/// The bytes of a token as it is written in the file; as they stand where it is not written in
/// the letters of bytes.
pub(super) fn bytes_of(written: &str) -> Vec<u8> {
    written
        .chars()
        .map(byte_of)
        .collect::<Option<Vec<u8>>>()
        .unwrap_or_else(|| written.as_bytes().to_vec())
}

fn push(cuts: &mut Vec<Range<usize>>, cut: Range<usize>) {
    if !cut.is_empty() {
        cuts.push(cut);
    }
}

fn letters_of(bytes: &[u8], letters: &[char; 256]) -> String {
    bytes
        .iter()
        .filter_map(|byte| letters.get(usize::from(*byte)))
        .collect()
}

/// Bytes that are printable in Latin-1 are written as themselves.
fn is_printable(byte: u8) -> bool {
    matches!(byte, b'!'..=b'~' | 0xA1..=0xAC | 0xAE..=0xFF)
}

/// The letter of each byte. Bytes that are not printable are written, in order, as the characters
/// from U+0100 on.
fn letters() -> [char; 256] {
    let mut others = '\u{100}'..='\u{200}';
    std::array::from_fn(|byte| match u8::try_from(byte) {
        Ok(byte) if is_printable(byte) => char::from(byte),
        _ => others.next().unwrap_or_default(),
    })
}

fn byte_of(letter: char) -> Option<u8> {
    match u32::from(letter) {
        code @ 0..=0xFF => u8::try_from(code).ok().filter(|byte| is_printable(*byte)),
        code @ 0x100.. => {
            let nth = usize::try_from(code - 0x100).ok()?;
            (0..=255_u8).filter(|byte| !is_printable(*byte)).nth(nth)
        }
    }
}

fn is_utf8_byte(byte: u8) -> bool {
    !matches!(byte, 0xC0 | 0xC1 | 0xF5..=0xFF)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_has_a_letter_of_its_own() {
        let letters = letters();
        for byte in 0..=255_u8 {
            assert_eq!(byte_of(letters[usize::from(byte)]), Some(byte));
        }
        assert_eq!(letters[usize::from(b' ')], 'Ġ');
        assert_eq!(letters[usize::from(b'\n')], 'Ċ');
        assert_eq!(byte_of('\u{2581}'), None);
        assert_eq!(bytes_of("Ġhi"), b" hi");
        assert_eq!(bytes_of("<\u{FF5C}x>"), "<\u{FF5C}x>".as_bytes());
    }
}
