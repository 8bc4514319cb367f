//! What a chart says about itself: its title, and how its marks came about.

use super::super::{Kind, names, numbers};
use super::Build;
use super::grid::Grid;

impl Build<'_> {
    /// What is measured, in words; `repeated` where several rows belong to one mark.
    pub(super) fn measured(&self, repeated: bool) -> Vec<String> {
        let measures = self.measures();
        if measures.is_empty() {
            return vec!["Count".to_owned()];
        }
        let before = if self.summable() { "Total" } else { "Average" };
        let has = |title: &str| {
            ["Total", "Average", "Count", "Number"]
                .iter()
                .any(|word| title.starts_with(word))
        };
        let titles = measures.iter().map(|measure| {
            if repeated && !has(&measure.title) {
                format!("{before} {}", names::lower_first(&measure.title))
            } else {
                measure.title.clone()
            }
        });
        titles.collect()
    }

    pub(super) fn title(&self, measured: &[String]) -> String {
        let mut all = measured.iter();
        let mut what = all.next().cloned().unwrap_or_default();
        let rest: Vec<String> = all.map(|title| names::lower_first(title)).collect();
        if let Some((last, between)) = rest.split_last() {
            for title in between {
                what = format!("{what}, {title}");
            }
            what = format!("{what} and {last}");
        }
        let x = names::lower_first(&self.x.title);
        let series = self.choice.series.and_then(|place| self.column(place));
        let series = series.map(|column| names::lower_first(&column.title));
        match (self.choice.kind, series) {
            (Kind::Point, Some(series)) => format!("{what} against {x}, by {series}"),
            (Kind::Point, None) => format!("{what} against {x}"),
            (Kind::Pie, _) => format!("Shares of {} by {x}", names::lower_first(&what)),
            (_, Some(series)) => format!("{what} by {x} and {series}"),
            (_, None) => format!("{what} by {x}"),
        }
    }

    /// Says how several rows became one mark.
    pub(super) fn tell_merged(&mut self, grid: &Grid) {
        if self.choice.y.is_none() {
            self.notes.push(format!(
                "Counted over {} rows",
                numbers::full(grid.rows as f64)
            ));
        } else if grid.repeated {
            let how = if self.summable() {
                "Totals"
            } else {
                "Averages"
            };
            self.notes
                .push(format!("{how} of {} rows", numbers::full(grid.rows as f64)));
        }
    }

    /// Says that not every point is drawn.
    pub(super) fn tell_sampled(&mut self, kept: usize, all: usize) {
        self.notes.push(format!(
            "A sample: {} of {} points, the first, last, lowest and highest among them",
            numbers::full(kept as f64),
            numbers::full(all as f64)
        ));
    }
}
