//! Bytes to text that can be shown: whole characters only, and nothing that may yet turn out to
//! be the beginning of a stop text.

/// Puts bytes together to text and looks for stop texts across the borders of tokens.
#[derive(Debug, Default)]
pub struct TextOut {}

/// What the new bytes came to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Piece {
    /// Text that can be shown now.
    pub text: String,
    /// A stop text is complete; what stands before it is in `text` and nothing more will come.
    pub stopped: bool,
}

impl TextOut {
    /// With these stop texts.
    pub fn new(stops: &[String]) -> Self {
        let _ = stops;
        Self {}
    }

    /// Takes in the bytes of a token.
    pub fn push(&mut self, bytes: &[u8]) -> Piece {
        let _ = bytes;
        Piece::default()
    }

    /// What was held back, at the end of the reply. Bytes that are no UTF-8 are replaced.
    pub fn finish(&mut self) -> String {
        String::new()
    }
}
