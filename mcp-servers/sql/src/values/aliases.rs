//! Other ways to say a value: "French" for `France`, "female" for `F`.

use std::collections::HashMap;
use std::sync::LazyLock;

const LINES: &str = include_str!("aliases.txt");

static ALIASES: LazyLock<HashMap<&'static str, Vec<&'static str>>> = LazyLock::new(|| {
    let mut aliases: HashMap<&str, Vec<&str>> = HashMap::new();
    for line in LINES.lines().filter(|line| !line.starts_with('#')) {
        let forms = || line.split('|').map(str::trim);
        for said in forms().filter(|form| !form.starts_with('~')) {
            let others = forms()
                .map(|form| form.trim_start_matches('~'))
                .filter(|form| *form != said);
            aliases.entry(said).or_default().extend(others);
        }
    }
    aliases
});

/// What else may stand in a column for a folded text; nothing for most.
pub(super) fn of(folded: &str) -> &'static [&'static str] {
    ALIASES.get(folded).map_or(&[], Vec::as_slice)
}

#[cfg(test)]
mod tests {
    use super::of;

    #[test]
    fn an_adjective_names_its_country_and_no_everyday_word_does() {
        assert!(of("french").contains(&"france"));
        assert!(of("female").contains(&"f"));
        assert!(of("usa").contains(&"united states"));
        for word in [
            "in", "it", "are", "can", "per", "nor", "wed", "mar", "or", "me", "no",
        ] {
            assert!(of(word).is_empty(), "{word}");
        }
    }
}
