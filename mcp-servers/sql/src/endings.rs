//! Words of questions and of names, so that they can be compared.

/// The words of a text or of a name, in small letters and without their endings:
/// `Song_release_years` and `songReleaseYear` are both `song release year`.
pub(crate) fn words(text: &str) -> Vec<String> {
    plain_words(text).iter().map(|word| stem(word)).collect()
}

/// The words of a text or of a name, in small letters, as they stand.
pub(crate) fn plain_words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    let mut before = ' ';
    for character in text.chars() {
        let hump = before.is_lowercase() && character.is_uppercase();
        let digits = before.is_ascii_digit() != character.is_ascii_digit();
        let breaks = !character.is_alphanumeric() || hump || digits;
        if breaks && !word.is_empty() {
            words.push(std::mem::take(&mut word));
        }
        if character.is_alphanumeric() {
            word.extend(character.to_lowercase());
        }
        before = character;
    }
    if !word.is_empty() {
        words.push(word);
    }
    words
}

/// A text without all that is no letter and no digit, in small letters.
pub(crate) fn squashed(text: &str) -> String {
    let kept = text.chars().filter(|character| character.is_alphanumeric());
    kept.flat_map(char::to_lowercase).collect()
}

/// A word without the ending of its plural.
pub(crate) fn stem(word: &str) -> String {
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

#[cfg(test)]
mod tests {
    use super::{squashed, words};

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
    }

    #[test]
    fn a_squashed_text_has_letters_and_digits_alone() {
        assert_eq!(squashed("North Carolina-2"), "northcarolina2");
    }
}
