//! What each token stands for.

/// More tokens than any vocabulary has; a file that claims more is damaged or hostile.
pub(super) const MOST_TOKENS: usize = 1 << 22;

/// What a token is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A piece of text that the model's merges make.
    Text,
    /// Text that is always this one token, wherever it is written.
    Added,
    /// Steers, and stands for no text.
    Special,
    /// One byte, for text that no other token covers.
    Byte,
    /// Takes up an id and means nothing.
    Unused,
}

/// One token of a vocabulary that is being built.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    /// The bytes that it stands for.
    pub(super) bytes: Vec<u8>,
    /// What it is for.
    pub(super) kind: Kind,
}

/// The bytes and kinds of all tokens, by id, and ids by bytes.
#[derive(Debug)]
pub(super) struct Vocabulary {
    bytes: Vec<u8>,
    /// Where each token's bytes end.
    ends: Vec<usize>,
    kinds: Vec<Kind>,
    /// Ids ordered by bytes; where two tokens have the same, the one to be found first.
    by_bytes: Vec<u32>,
}

impl Vocabulary {
    /// Tokens by id. Unused ones at the end are cut off: converters pad the list to the size of
    /// the model's tables, and nothing may ever be sampled there.
    pub(super) fn new(mut entries: Vec<Entry>) -> Self {
        let used = entries
            .iter()
            .rposition(|entry| entry.kind != Kind::Unused)
            .map_or(0, |last| last + 1);
        entries.truncate(used);
        let mut order: Vec<(&Entry, u32)> = entries
            .iter()
            .zip(0..)
            .filter(|(entry, _)| entry.kind != Kind::Unused)
            .collect();
        order.sort_by(|(a, a_id), (b, b_id)| {
            let rank = |entry: &Entry| match entry.kind {
                Kind::Special => 0,
                Kind::Added => 1,
                Kind::Text => 2,
                Kind::Byte | Kind::Unused => 3,
            };
            (&a.bytes, rank(a), a_id).cmp(&(&b.bytes, rank(b), b_id))
        });
        let by_bytes = order.into_iter().map(|(_, id)| id).collect();
        let mut bytes = Vec::with_capacity(entries.iter().map(|entry| entry.bytes.len()).sum());
        let mut ends = Vec::with_capacity(entries.len());
        let mut kinds = Vec::with_capacity(entries.len());
        for entry in &entries {
            if entry.kind != Kind::Unused {
                bytes.extend_from_slice(&entry.bytes);
            }
            ends.push(bytes.len());
            kinds.push(entry.kind);
        }
        Self {
            bytes,
            ends,
            kinds,
            by_bytes,
        }
    }

    /// How many ids there are.
    pub(super) fn size(&self) -> usize {
        self.ends.len()
    }

    /// The bytes of a token; empty where there is none.
    pub(super) fn bytes(&self, token: u32) -> &[u8] {
        let token = token as usize;
        let start = match token.checked_sub(1) {
            Some(before) => self.ends.get(before).copied(),
            None => Some(0),
        };
        match (start, self.ends.get(token)) {
            (Some(start), Some(&end)) => self.bytes.get(start..end).unwrap_or_default(),
            _ => &[],
        }
    }

    /// What a token is for.
    pub(super) fn kind(&self, token: u32) -> Option<Kind> {
        self.kinds.get(token as usize).copied()
    }

    /// Whether a token steers and stands for no text.
    pub(super) fn is_special(&self, token: u32) -> bool {
        self.kind(token) == Some(Kind::Special)
    }

    /// The token with these bytes.
    pub(super) fn token(&self, bytes: &[u8]) -> Option<u32> {
        let at = self
            .by_bytes
            .partition_point(|&token| self.bytes(token) < bytes);
        let found = *self.by_bytes.get(at)?;
        (self.bytes(found) == bytes && !bytes.is_empty()).then_some(found)
    }
}
