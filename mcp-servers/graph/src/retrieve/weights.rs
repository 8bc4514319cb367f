//! What counts how much when passages are ranked. One setting for every collection; see
//! `docs/decisions` for how it was found and how it holds on collections that it was not found on.

/// What a passage is worth by itself, and what leads from it to another.
#[derive(Debug, Clone, Copy)]
pub(super) struct Weights {
    /// How well it fits by words and meaning.
    pub(super) fits: f32,
    /// The question names what it is about.
    pub(super) about: f32,
    /// It names what the question names, by how much that tells.
    pub(super) names: f32,
    /// Everything of a passage itself, against what is led to.
    pub(super) own: f32,
    /// The power of what the passage that leads there is worth.
    pub(super) trust: f32,
    /// It is led to at all.
    pub(super) led: f32,
    /// How like the question and the passage before it is.
    pub(super) next: f32,
    /// How much the entity tells that both name.
    pub(super) shared: f32,
    /// It is about something that the passage before names.
    pub(super) topic: f32,
    /// Which share it has of the words that the passage before left open.
    pub(super) rest: f32,
    /// The same as a share of all words.
    pub(super) gain: f32,
    /// How far a passage that leaves little open leads nowhere.
    pub(super) done: f32,
}

pub(super) const WEIGHTS: Weights = Weights {
    fits: 1.26,
    about: 0.41,
    names: 0.14,
    own: 1.06,
    trust: 0.62,
    led: 0.12,
    next: 0.45,
    shared: 0.49,
    topic: 0.14,
    rest: 0.30,
    gain: 0.12,
    done: 0.1,
};
