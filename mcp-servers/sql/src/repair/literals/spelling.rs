//! Which of the texts that a column holds is meant by one that it does not hold: the only one that
//! differs in spaces and marks between its words, in the number of a word, or in how yes and no are
//! written; the letter that stands for a word. What differs in a number or in a sign is another one.

use crate::words::{squashed, words};

/// Marks that people leave out or put between words; all others are a part of what is written.
const BETWEEN: &str = "-_.,;:/'’‘`´\"“”()[]!?&";

/// The only one of all texts of a column that this one can mean.
pub(super) fn meant(text: &str, all: &[String]) -> Option<String> {
    let trimmed = |value: &&String| value.trim() == value.as_str();
    let kept = kept(text);
    let same = |value: &&String| trimmed(value) && self::kept(value) == kept;
    let whole = squashed(text);
    if !whole.is_empty()
        && let Some(only) = only(all, |value| same(value) && squashed(value) == whole)
    {
        return Some(only);
    }
    let stems = words(text);
    if !stems.is_empty()
        && let Some(only) = only(all, |value| same(value) && words(value) == stems)
    {
        return Some(only);
    }
    if let Some(short) = shortened(text, all) {
        return Some(short);
    }
    let wanted = truth(text)?;
    if all.len() > 3 || !all.iter().all(|value| truth(value).is_some()) {
        return None;
    }
    only(all, |value| truth(value) == Some(wanted))
}

fn only(all: &[String], is: impl Fn(&&String) -> bool) -> Option<String> {
    let mut found = all.iter().filter(is);
    found.next().filter(|_| found.next().is_none()).cloned()
}

/// The numbers of a text with their signs, and its marks that say something.
fn kept(text: &str) -> (Vec<String>, String) {
    let mut numbers: Vec<String> = Vec::new();
    let mut marks = String::new();
    let letters: Vec<char> = text.chars().collect();
    let at = |place: Option<usize>| place.and_then(|place| letters.get(place)).copied();
    let mut inside = false;
    for (place, letter) in letters.iter().copied().enumerate() {
        let before = at(place.checked_sub(1));
        let after = at(place.checked_add(1));
        let digit = |letter: Option<char>| letter.is_some_and(|letter| letter.is_ascii_digit());
        let point = matches!(letter, '.' | ',') && inside && digit(after);
        if letter.is_ascii_digit() || point {
            if !inside {
                let signed = before == Some('-')
                    && at(place.checked_sub(2)).is_none_or(|letter| !letter.is_alphanumeric());
                numbers.push(if signed { "-" } else { "" }.to_owned());
            }
            if let Some(number) = numbers.last_mut() {
                number.push(letter);
            }
            inside = true;
            continue;
        }
        inside = false;
        if !letter.is_alphanumeric() && !letter.is_whitespace() && !BETWEEN.contains(letter) {
            marks.push(letter);
        }
    }
    (numbers, marks)
}

/// The one letter that a column keeps of a word, where it keeps nothing but letters.
fn shortened(text: &str, all: &[String]) -> Option<String> {
    let letters = all.iter().all(|value| {
        let mut letters = value.chars();
        letters.next().is_some_and(char::is_alphabetic) && letters.next().is_none()
    });
    let first = text
        .chars()
        .next()
        .filter(|_| letters && all.len() < 8 && text.chars().all(char::is_alphabetic))?;
    let same = |value: &&String| {
        value
            .chars()
            .all(|letter| letter.to_lowercase().eq(first.to_lowercase()))
    };
    only(all, same).filter(|_| text.chars().count() > 1)
}

fn truth(text: &str) -> Option<bool> {
    match text.to_lowercase().as_str() {
        "t" | "true" | "y" | "yes" | "1" => Some(true),
        "f" | "false" | "n" | "no" | "0" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::meant;

    fn of(text: &str, all: &[&str]) -> Option<String> {
        let all: Vec<String> = all.iter().map(|value| (*value).to_owned()).collect();
        meant(text, &all)
    }

    #[test]
    fn the_only_text_that_is_written_otherwise_is_meant() {
        for (text, all, found) in [
            (
                "Saint-Etienne",
                vec!["Saint Etienne", "Lyon"],
                "Saint Etienne",
            ),
            ("2012/10/05", vec!["2012-10-05", "2012-10-06"], "2012-10-05"),
            ("cats", vec!["Cat", "Dog"], "Cat"),
            ("female", vec!["F", "M"], "F"),
            ("yes", vec!["T", "F"], "T"),
        ] {
            assert_eq!(of(text, &all).as_deref(), Some(found), "{text}");
        }
    }

    #[test]
    fn what_could_be_two_or_is_another_is_not_meant() {
        for (text, all) in [
            ("???", vec!["!!!", "-"]),
            ("New-York", vec!["New York", "NEW YORK"]),
            ("1.5", vec!["15", "2"]),
            ("-5", vec!["5"]),
            ("C++", vec!["C", "D#"]),
            ("20121005", vec!["2012-10-05"]),
            ("cats", vec!["cat", "Cat"]),
            ("5", vec!["A", "5 stars"]),
            ("maybe", vec!["T", "F"]),
        ] {
            assert_eq!(of(text, &all), None, "{text}");
        }
    }
}
