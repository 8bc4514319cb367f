//! Whether a question asks for a metric and for nothing else.

use std::collections::BTreeSet;

use ropewalk_embed::terms;

use crate::semantics::Metric;

/// Words, as stems, that ask without saying for what.
const ASKING: [&str; 32] = [
    "what", "which", "how", "much", "mani", "show", "give", "tell", "list", "me", "us", "our",
    "we", "i", "you", "do", "doe", "did", "have", "has", "had", "were", "been", "total", "overal",
    "all", "per", "each", "everi", "from", "can", "pleas",
];

impl Metric {
    /// The dimensions by which a question asks for this metric; `None` where it asks for something
    /// beside, such as some of its rows, which a formula alone does not answer.
    #[must_use]
    pub fn asked(&self, question: &str) -> Option<Vec<&str>> {
        let asked: Vec<String> = terms(question);
        let mut open: BTreeSet<&str> = asked.iter().map(String::as_str).collect();
        let names = self.synonyms.iter().chain([&self.name]);
        let named = names.map(|name| terms(name));
        let mut named: Vec<Vec<String>> = named.filter(|name| within(name, &asked)).collect();
        named.sort_by_key(Vec::len);
        for word in named.pop()? {
            open.remove(word.as_str());
        }
        let mut by = Vec::new();
        for dimension in self.dimensions.keys() {
            let words = terms(dimension);
            if !words.is_empty() && within(&words, &asked) {
                for word in &words {
                    open.remove(word.as_str());
                }
                by.push(dimension.as_str());
            }
        }
        for word in ASKING {
            open.remove(word);
        }
        open.is_empty().then_some(by)
    }
}

/// Whether words stand side by side in a text.
fn within(words: &[String], text: &[String]) -> bool {
    !words.is_empty() && text.windows(words.len()).any(|part| part == words)
}

#[cfg(test)]
mod tests {
    use crate::semantics::Metric;

    #[test]
    fn a_question_asks_for_the_metric_by_its_dimensions_or_for_more() {
        let revenue = Metric {
            name: "net revenue".to_owned(),
            synonyms: vec!["turnover".to_owned()],
            dimensions: [("region", "a"), ("month", "b")]
                .map(|(name, sql)| (name.to_owned(), sql.to_owned()))
                .into(),
            ..Metric::default()
        };
        for (question, by) in [
            ("What is our net revenue?", Some(vec![])),
            ("Show me the turnover by region", Some(vec!["region"])),
            (
                "turnover per month and region",
                Some(vec!["month", "region"]),
            ),
            ("What was the turnover in Karlsruhe?", None),
            ("How many customers are there?", None),
            ("What is the net of sales and the revenue?", None),
        ] {
            assert_eq!(revenue.asked(question), by, "{question}");
        }
    }
}
