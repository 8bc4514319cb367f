//! How good a ranking is: nDCG@10 (Järvelin and Kekäläinen, 2002; linear gain), recall@k, MRR@10.

use serde_json::{Value, json};

use super::beir::Relevant;

/// Head of the table that [`Metrics::row`] fills.
pub(crate) const HEADER: &str = "          nDCG@10    R@2    R@5   R@10  MRR@10";

/// Sums over queries.
#[derive(Debug, Default, Clone)]
pub(crate) struct Metrics {
    queries: f64,
    ndcg: f64,
    recall: [f64; 3],
    mrr: f64,
}

const CUTS: [usize; 3] = [2, 5, 10];

impl Metrics {
    /// Counts one query's ranking.
    pub(crate) fn add(&mut self, ranked: &[String], relevant: &Relevant) {
        self.queries += 1.0;
        let gains: Vec<f64> = ranked
            .iter()
            .take(10)
            .map(|id| relevant.get(id).copied().unwrap_or_default())
            .collect();
        let mut ideal: Vec<f64> = relevant.values().copied().collect();
        ideal.sort_by(|a, b| b.total_cmp(a));
        ideal.truncate(10);
        let best = discounted(&ideal);
        if best > 0.0 {
            self.ndcg += discounted(&gains) / best;
        }
        for (sum, cut) in self.recall.iter_mut().zip(CUTS) {
            let found = gains.iter().take(cut).filter(|gain| **gain > 0.0).count();
            *sum += found as f64 / relevant.len().max(1) as f64;
        }
        if let Some(rank) = gains.iter().position(|gain| *gain > 0.0) {
            self.mrr += 1.0 / (rank as f64 + 1.0);
        }
    }

    fn percent(&self, sum: f64) -> f64 {
        (sum / self.queries.max(1.0) * 10_000.0).round() / 100.0
    }

    /// In percent, two decimals.
    pub(crate) fn to_json(&self) -> Value {
        let [two, five, ten] = self.recall.map(|sum| self.percent(sum));
        json!({
            "ndcg@10": self.percent(self.ndcg),
            "recall@2": two,
            "recall@5": five,
            "recall@10": ten,
            "mrr@10": self.percent(self.mrr),
        })
    }

    /// A line of the table.
    pub(crate) fn row(&self, name: &str) -> String {
        let [two, five, ten] = self.recall.map(|sum| self.percent(sum));
        format!(
            "{name:<8} {:>8.2} {two:>6.1} {five:>6.1} {ten:>6.1} {:>7.2}",
            self.percent(self.ndcg),
            self.percent(self.mrr)
        )
    }
}

fn discounted(gains: &[f64]) -> f64 {
    gains
        .iter()
        .zip(2_u32..)
        .map(|(gain, place)| gain / f64::from(place).log2())
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_worked_example() {
        let relevant: Relevant = [("a".to_owned(), 1.0), ("b".to_owned(), 1.0)].into();
        let mut metrics = Metrics::default();
        metrics.add(&["x".to_owned(), "a".to_owned(), "b".to_owned()], &relevant);
        let json = metrics.to_json();
        // (1/log2(3) + 1/log2(4)) / (1 + 1/log2(3))
        assert_eq!(json["ndcg@10"], 69.34);
        assert_eq!(
            (json["recall@2"].as_f64(), json["recall@5"].as_f64()),
            (Some(50.0), Some(100.0))
        );
        assert_eq!(json["mrr@10"], 50.0);
    }
}
