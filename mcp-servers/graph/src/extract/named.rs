//! Which of the known names stand in a text: the longest at each place.

use std::ops::Range;

use super::lexicon;
use super::phrase;
use super::token::{Shape, Text};
use crate::name::Key;
use crate::piece::{Kind, Mention};

/// The known keys that a text names, longest match first at each place, over runs of at most
/// `max_words` words with a capital or a digit; in a text that has none (a question typed in small
/// letters) over any run. What is found without its article is found as well.
pub fn named(text: &str, known: &dyn Fn(&str) -> bool, max_words: usize) -> Vec<Mention> {
    let text = Text::of(text);
    let words: Vec<Word> = (0..text.len())
        .filter_map(|at| Word::of(&text, at))
        .collect();
    let plain = !words.iter().any(|word| word.marked && !word.opens);
    let mut found = Vec::new();
    let mut at = 0;
    while at < words.len() {
        let rest = words.get(at..).unwrap_or_default();
        let Some((count, key)) = longest(rest, known, max_words, plain) else {
            at += 1;
            continue;
        };
        let mut push = |rest: &[Word], count: usize, key: String| {
            let (Some(first), Some(last)) = (rest.first(), rest.get(count.saturating_sub(1)))
            else {
                return;
            };
            let span = first.span.start..last.span.end;
            if let (Ok(start), Ok(end)) = (u32::try_from(span.start), u32::try_from(span.end)) {
                found.push(Mention {
                    passage: 0,
                    entity: Key::stored(key),
                    name: text.all.get(span).unwrap_or_default().to_owned(),
                    kind: Kind::Name,
                    span: start..end,
                });
            }
        };
        push(rest, count, key);
        // `The Beatles` are the Beatles.
        let article = rest
            .first()
            .is_some_and(|word| matches!(word.key.as_str(), "the" | "a" | "an"));
        if article && count > 1 {
            let rest = rest.get(1..).unwrap_or_default();
            if let Some((inner, key)) = longest(rest, known, count - 1, plain) {
                push(rest, inner, key);
            }
        }
        at += count;
    }
    found
}

/// A word as keys hold it.
struct Word {
    key: String,
    /// Without the `'s` of what it owns.
    bare: Option<String>,
    span: Range<usize>,
    glued: bool,
    marked: bool,
    opens: bool,
}

impl Word {
    fn of(text: &Text<'_>, at: usize) -> Option<Self> {
        let token = text.token(at).filter(|token| token.word())?;
        let word = text.word(at);
        let key = Key::of(word)?.as_str().to_owned();
        let bare = ["'s", "’s", "'S", "’S"]
            .iter()
            .find_map(|tail| word.strip_suffix(tail))
            .and_then(Key::of)
            .map(|key| key.as_str().to_owned());
        Some(Self {
            key,
            bare,
            span: token.start..token.end,
            glued: token.glued
                && at
                    .checked_sub(1)
                    .and_then(|at| text.token(at))
                    .is_some_and(|token| token.word()),
            marked: token.capital() || matches!(token.shape, Shape::Number | Shape::Uncased),
            opens: token.opens && token.shape == Shape::Capital,
        })
    }
}

/// The longest known key that starts at the first of these words, and of how many words it is.
fn longest(
    words: &[Word],
    known: &dyn Fn(&str) -> bool,
    most: usize,
    plain: bool,
) -> Option<(usize, String)> {
    let words = words.get(..most.min(words.len())).unwrap_or_default();
    let first_marked = words.iter().position(|word| word.marked);
    let from = if plain { 0 } else { first_marked? };
    let mut ends = Vec::with_capacity(words.len());
    let mut key = String::new();
    for word in words {
        if !key.is_empty() && !word.glued {
            key.push(' ');
        }
        let start = key.len();
        key.push_str(&word.key);
        ends.push((start, key.len()));
    }
    for (at, (word, (start, end))) in words.iter().zip(&ends).enumerate().rev() {
        if at < from {
            break;
        }
        let whole = key.get(..*end)?;
        let letters = whole.chars().nth(1).is_some();
        // One word alone: a function word is none, and neither is a small one beside of names.
        let dull = at == 0 && (lexicon::function(whole) || (plain && whole.len() < 4) || !letters);
        if dull {
            continue;
        }
        if known(whole) {
            return Some((at + 1, whole.to_owned()));
        }
        if let Some(bare) = &word.bare {
            let bare = format!("{}{bare}", key.get(..*start)?);
            if known(&bare) {
                return Some((at + 1, bare));
            }
        }
    }
    None
}

/// The keys of a title: all of it, without its bracket, and each without its article.
pub(super) fn title_keys(title: &str) -> Vec<Key> {
    let mut keys: Vec<Key> = Vec::new();
    let bare = Key::of_title(title);
    let article = |key: &Key| {
        ["the ", "a ", "an "]
            .iter()
            .find_map(|article| key.as_str().strip_prefix(article))
            .filter(|rest| !lexicon::function(rest))
            .and_then(phrase::key)
    };
    let short = bare.as_ref().and_then(article);
    for key in [bare, Key::of(title), short].into_iter().flatten() {
        if !keys.contains(&key) {
            keys.push(key);
        }
    }
    keys
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str, known: &[&str]) -> Vec<(String, String)> {
        named(text, &|key| known.contains(&key), 12)
            .into_iter()
            .map(|mention| (mention.entity.to_string(), mention.name))
            .collect()
    }
    fn keys(text: &str, known: &[&str]) -> Vec<String> {
        of(text, known).into_iter().map(|(key, _)| key).collect()
    }

    #[test]
    fn the_longest_known_name_is_found() {
        let known = [
            "lothair ii",
            "lothair",
            "the lord of the rings",
            "lord of the rings",
            "who",
        ];
        assert_eq!(
            of("When did Lothair Ii's mother die?", &known),
            [("lothair ii".to_owned(), "Lothair Ii's".to_owned())]
        );
        assert_eq!(
            keys("Who wrote The Lord of the Rings?", &known),
            ["the lord of the rings", "lord of the rings"]
        );
    }

    #[test]
    fn small_letters_beside_of_names_are_none() {
        assert_eq!(
            keys("Is a demon like Gallu a demon?", &["demon", "gallu"]),
            ["gallu"]
        );
        assert_eq!(
            keys("who directed saving private ryan", &["saving private ryan"]),
            ["saving private ryan"]
        );
    }

    #[test]
    fn names_are_found_in_scripts_without_spaces() {
        assert_eq!(keys("我在東京大学学习", &["東京大学", "京"]), ["東京大学"]);
    }
}
