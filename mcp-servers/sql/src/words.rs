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

/// The words of a text or of a name, without the endings of plurals: `Song_release_years` and
/// `songReleaseYear` are both `song release year`. They stay words, as [`stem`] does not leave them.
pub(crate) fn words(text: &str) -> Vec<String> {
    of_name(text).iter().map(|word| singular(word)).collect()
}

/// A text without all that is no letter and no digit, in small letters.
pub(crate) fn squashed(text: &str) -> String {
    let kept = text.chars().filter(|character| character.is_alphanumeric());
    kept.flat_map(char::to_lowercase).collect()
}

/// A word without the ending of its plural.
pub(crate) fn singular(word: &str) -> String {
    match word {
        "people" => return "person".to_owned(),
        "children" => return "child".to_owned(),
        "men" => return "man".to_owned(),
        "women" => return "woman".to_owned(),
        "is" | "was" | "has" | "this" | "his" | "its" | "does" | "us" => return word.to_owned(),
        _ => {}
    }
    let long = word.chars().count() > 4;
    if let Some(base) = word.strip_suffix("ies").filter(|_| long) {
        return format!("{base}y");
    }
    if let Some(base) = word.strip_suffix("es").filter(|_| long)
        && (base.ends_with(['s', 'x']) || base.ends_with("ch") || base.ends_with("sh"))
    {
        return base.to_owned();
    }
    match word.strip_suffix('s') {
        Some(base) if base.len() > 1 && !base.ends_with('s') => base.to_owned(),
        _ => word.to_owned(),
    }
}

/// The words of a text or of a name: `SongName`, `song_name`, `Song name` and `SONGName` are the same two.
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
    use super::{fold, of_name, squashed, stem, stems, words};

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
    fn names_and_texts_have_the_same_words() {
        let year = ["song", "release", "year"];
        assert_eq!(words("Song_release_years"), year);
        assert_eq!(words("songReleaseYear"), year);
        assert_eq!(
            words("the cities, 2nd classes"),
            ["the", "city", "2", "nd", "class"]
        );
        assert_eq!(words("ids"), ["id"]);
        assert_eq!(squashed("North Carolina-2"), "northcarolina2");
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
