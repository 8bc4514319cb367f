//! Accepted answers written as one: `a; b`, and `{a, b}` for any of these columns.

/// Most answers told apart: a set writes up to four columns in braces.
const MOST: usize = 64;

/// The answers of a text: statements between semicolons, each with any choice of the columns in
/// braces, the choice repeated where `{}` stands.
#[must_use]
pub(super) fn variants(text: &str) -> Vec<String> {
    let mut all = Vec::new();
    for statement in split(text, ';') {
        for variant in choices(&statement) {
            if all.len() < MOST {
                all.push(variant);
            }
        }
    }
    all
}

fn choices(statement: &str) -> Vec<String> {
    let Some((before, rest)) = statement.split_once('{') else {
        return vec![statement.to_owned()];
    };
    let Some((inside, after)) = rest.split_once('}') else {
        return vec![statement.to_owned()];
    };
    let columns = split(inside, ',');
    let sets = 1_usize.checked_shl(u32::try_from(columns.len()).unwrap_or(u32::MAX));
    (1..sets.unwrap_or(1).min(MOST))
        .flat_map(|set| {
            let chosen = columns.iter().enumerate();
            let chosen: Vec<&str> = chosen
                .filter(|(place, _)| set >> place & 1 == 1)
                .map(|(_, column)| column.as_str())
                .collect();
            let chosen = chosen.join(", ");
            let repeated = after.replace("{}", &chosen);
            choices(&format!("{before}{chosen}{repeated}"))
        })
        .collect()
}

/// Parts between separators that are not inside quotes or parentheses.
fn split(text: &str, separator: char) -> Vec<String> {
    let mut parts = vec![String::new()];
    let (mut quote, mut depth) = (None, 0_usize);
    for c in text.chars() {
        match (quote, c) {
            (Some(open), _) if c == open => quote = None,
            (None, '\'' | '"' | '`') => quote = Some(c),
            (None, '(') => depth = depth.saturating_add(1),
            (None, ')') => depth = depth.saturating_sub(1),
            _ => {}
        }
        if c == separator && quote.is_none() && depth == 0 {
            parts.push(String::new());
        } else if let Some(part) = parts.last_mut() {
            part.push(c);
        }
    }
    let parts = parts.iter().map(|part| part.trim().to_owned());
    parts.filter(|part| !part.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::variants;

    #[test]
    fn semicolons_and_braces_are_told_apart() {
        assert_eq!(
            variants("SELECT ';' ; SELECT 2;"),
            ["SELECT ';'", "SELECT 2"]
        );
        assert_eq!(
            variants("SELECT {a, f(b, c)}, n FROM t GROUP BY {};"),
            [
                "SELECT a, n FROM t GROUP BY a",
                "SELECT f(b, c), n FROM t GROUP BY f(b, c)",
                "SELECT a, f(b, c), n FROM t GROUP BY a, f(b, c)",
            ]
        );
    }
}
