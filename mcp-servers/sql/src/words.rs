//! Words as they are compared: folded, stemmed, and names of tables and columns taken apart.

use rust_stemmers::{Algorithm, Stemmer};
use unicode_normalization::UnicodeNormalization as _;
use unicode_normalization::char::is_combining_mark;

/// Lower case without accents, anything between words as one space.
pub(crate) fn fold(text: &str) -> String {
    let mut folded = String::with_capacity(text.len());
    let mut gap = false;
    for c in text.nfkd().filter(|c| !is_combining_mark(*c)) {
        if c.is_alphanumeric() {
            if gap && !folded.is_empty() {
                folded.push(' ');
            }
            gap = false;
            folded.extend(c.to_lowercase());
        } else if c != '\'' && c != '’' {
            gap = true;
        }
    }
    folded
}

/// The stem of a word in lower case.
pub(crate) fn stem(word: &str) -> String {
    let singular = match word.strip_suffix("ies") {
        // What Snowball keeps apart: `movies`, `movie`.
        Some(rest) if rest.len() > 2 => format!("{rest}y"),
        _ => word.to_owned(),
    };
    Stemmer::create(Algorithm::English)
        .stem(&singular)
        .into_owned()
}

/// The stems of a folded text's words, with spaces between.
pub(crate) fn stems(folded: &str) -> String {
    folded.split(' ').map(stem).collect::<Vec<_>>().join(" ")
}

/// The words of a name: `SongName`, `song_name`, `Song name` and `SONGName` are the same two.
pub(crate) fn of_name(name: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    let letters: Vec<char> = name.chars().collect();
    for (place, c) in letters.iter().copied().enumerate() {
        let before = place.checked_sub(1).and_then(|at| letters.get(at)).copied();
        let after = letters.get(place.saturating_add(1)).copied();
        let hump = c.is_uppercase()
            && before.is_some_and(|before| {
                before.is_lowercase()
                    || before.is_uppercase() && after.is_some_and(char::is_lowercase)
            });
        let digits = before.is_some_and(|b| b.is_numeric() != c.is_numeric());
        if (hump || digits || !c.is_alphanumeric()) && !word.is_empty() {
            words.push(fold(&std::mem::take(&mut word)));
        }
        if c.is_alphanumeric() {
            word.push(c);
        }
    }
    if !word.is_empty() {
        words.push(fold(&word));
    }
    words
}

#[cfg(test)]
mod tests {
    use super::{fold, of_name, stem, stems};

    #[test]
    fn what_is_the_same_is_written_the_same() {
        assert_eq!(fold("  Café-au  LAIT!"), "cafe au lait");
        assert_eq!(fold("Mark's Bistro"), "marks bistro");
        assert_eq!(stem("countries"), stem("country"));
        assert_eq!(stem("movies"), stem("movie"));
        assert_eq!(
            stems("big cities"),
            stems("bigger city").replace("bigger", "big")
        );
    }

    #[test]
    fn names_are_taken_apart() {
        for name in [
            "SongName",
            "song_name",
            "Song name",
            "SONGName",
            "song-name",
        ] {
            assert_eq!(of_name(name), ["song", "name"], "{name}");
        }
        assert_eq!(of_name("line2Text"), ["line", "2", "text"]);
        assert_eq!(of_name("FK"), ["fk"]);
        assert!(of_name("🙂").is_empty());
    }
}
