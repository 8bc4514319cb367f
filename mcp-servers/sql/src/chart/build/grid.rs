//! What belongs to one place and one series, added up.

use std::collections::{HashMap, HashSet};

use super::super::Mark;
use super::super::choose::Choice;
use super::super::column::Column;

/// How much larger one bar may be before the others cannot be compared any more.
const DWARFED: f64 = 3.0;

/// A place on the first axis.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Place {
    pub(super) label: String,
    /// Where it lies, or by what it is sorted.
    number: Option<f64>,
}

/// What the rows of one mark come to.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct Tally {
    sum: f64,
    known: usize,
    rows: usize,
}

impl Tally {
    fn add(&mut self, other: Self) {
        self.sum += other.sum;
        self.known += other.known;
        self.rows += other.rows;
    }
}

/// Places by series.
#[derive(Debug)]
pub(super) struct Grid {
    pub(super) places: Vec<Place>,
    pub(super) series: Vec<String>,
    /// Whether any mark stands for several rows.
    pub(super) repeated: bool,
    pub(super) rows: usize,
    /// Rows that have no place on the axis.
    pub(super) skipped: usize,
    /// Rows are counted, not added up.
    counting: bool,
    /// Places are numbers, not labels.
    scaled: bool,
    tallies: HashMap<(usize, usize), Tally>,
}

#[derive(PartialEq, Eq, Hash)]
enum Key<'a> {
    Label(&'a str),
    Number(u64),
}

impl Grid {
    pub(super) fn of(choice: &Choice, columns: &[Column<'_>], scaled: bool) -> Self {
        let mut grid = Self {
            places: Vec::new(),
            series: Vec::new(),
            repeated: false,
            rows: 0,
            skipped: 0,
            counting: choice.y.is_none(),
            scaled,
            tallies: HashMap::new(),
        };
        let Some(x) = columns.get(choice.x) else {
            return grid;
        };
        let series = choice.series.and_then(|place| columns.get(place));
        let measures: Vec<Option<&Column<'_>>> = if choice.y.is_none() {
            vec![None]
        } else {
            let all = choice.y.into_iter().chain(choice.more.iter().copied());
            all.map(|place| columns.get(place)).collect()
        };
        let mut places = HashMap::new();
        let mut told = HashMap::new();
        for (row, (label, number)) in x.labels.iter().zip(&x.numbers).enumerate() {
            let key = match number {
                Some(number) if scaled => Key::Number(number.to_bits()),
                None if scaled => {
                    grid.skipped += 1;
                    continue;
                }
                _ => Key::Label(label),
            };
            grid.rows += 1;
            let place = *places.entry(key).or_insert_with(|| {
                grid.places.push(Place {
                    label: label.clone(),
                    number: *number,
                });
                grid.places.len() - 1
            });
            let group = series
                .and_then(|series| series.labels.get(row))
                .map(|label| {
                    *told.entry(label).or_insert_with(|| {
                        grid.series.push(label.clone());
                        grid.series.len() - 1
                    })
                });
            for (at, measure) in measures.iter().enumerate() {
                let value = measure.and_then(|measure| measure.numbers.get(row).copied().flatten());
                let tally = grid
                    .tallies
                    .entry((place, group.unwrap_or(at)))
                    .or_default();
                tally.add(Tally {
                    sum: value.unwrap_or_default(),
                    known: usize::from(value.is_some()),
                    rows: 1,
                });
                grid.repeated |= tally.rows > 1;
            }
        }
        grid
    }

    /// Whether every place is a number, and so has an order of its own.
    pub(super) fn has_numbers(&self) -> bool {
        self.places.iter().any(|place| place.number.is_some())
    }

    /// Whether the places are months or days of the week, which nobody wants sorted by value.
    pub(super) fn in_calendar(&self) -> bool {
        let known = |names: &[&str]| {
            self.places.iter().all(|place| {
                let label = place.label.to_lowercase();
                names
                    .iter()
                    .any(|name| label == *name || (label.len() >= 3 && name.starts_with(&label)))
            })
        };
        known(&[
            "january",
            "february",
            "march",
            "april",
            "may",
            "june",
            "july",
            "august",
            "september",
            "october",
            "november",
            "december",
        ]) || known(&[
            "monday",
            "tuesday",
            "wednesday",
            "thursday",
            "friday",
            "saturday",
            "sunday",
        ])
    }

    fn value(&self, tally: Tally, summable: bool) -> Option<f64> {
        if self.counting {
            Some(tally.rows as f64)
        } else if tally.known == 0 {
            None
        } else if summable {
            Some(tally.sum)
        } else {
            Some(tally.sum / tally.known as f64)
        }
    }

    /// Puts the places into another order.
    fn arrange(&mut self, order: &[usize]) {
        let mut new = vec![None; self.places.len()];
        for (to, from) in order.iter().enumerate() {
            if let Some(slot) = new.get_mut(*from) {
                *slot = Some(to);
            }
        }
        let moved = |from: usize| new.get(from).copied().flatten();
        self.places = order
            .iter()
            .filter_map(|from| self.places.get(*from).cloned())
            .collect();
        let tallies = std::mem::take(&mut self.tallies);
        let all = tallies.into_iter();
        self.tallies = all
            .filter_map(|((place, series), tally)| Some(((moved(place)?, series), tally)))
            .collect();
    }

    /// In the order of their numbers; what has none comes last.
    pub(super) fn sort_by_number(&mut self) {
        let mut order: Vec<usize> = (0..self.places.len()).collect();
        let number = |place: &usize| {
            let number = self.places.get(*place).and_then(|place| place.number);
            number.unwrap_or(f64::INFINITY)
        };
        order.sort_by(|one, other| number(one).total_cmp(&number(other)));
        self.arrange(&order);
    }

    /// The largest first.
    pub(super) fn sort_by_value(&mut self, summable: bool) {
        let order = self.by_size(summable, false);
        self.arrange(&order);
    }

    /// Places by what all their series come to, the largest first.
    fn by_size(&self, summable: bool, whatever_sign: bool) -> Vec<usize> {
        let mut sizes = vec![f64::NEG_INFINITY; self.places.len()];
        for ((place, _), tally) in &self.sorted() {
            if let (Some(size), Some(value)) = (sizes.get_mut(*place), self.value(*tally, summable))
            {
                *size = if *size == f64::NEG_INFINITY {
                    0.0
                } else {
                    *size
                } + value;
            }
        }
        let size = |place: &usize| {
            let size = sizes.get(*place).copied().unwrap_or_default();
            if whatever_sign && size.is_finite() {
                size.abs()
            } else {
                size
            }
        };
        let mut order: Vec<usize> = (0..self.places.len()).collect();
        order.sort_by(|one, other| size(other).total_cmp(&size(one)));
        order
    }

    /// Always in the same order: sums of fractions depend on it.
    fn sorted(&self) -> Vec<((usize, usize), Tally)> {
        let mut all: Vec<_> = self
            .tallies
            .iter()
            .map(|(at, tally)| (*at, *tally))
            .collect();
        all.sort_by_key(|(at, _)| *at);
        all
    }

    /// Keeps so many places, the largest or the first; the others become one, or go.
    pub(super) fn keep_labels(
        &mut self,
        most: usize,
        largest: bool,
        other: Option<&str>,
        summable: bool,
    ) {
        let mut kept: Vec<usize> = if largest {
            self.by_size(summable, true)
        } else {
            (0..self.places.len()).collect()
        };
        let rest: HashSet<usize> = kept.split_off(most.min(kept.len())).into_iter().collect();
        kept.sort_unstable();
        let mut others: HashMap<usize, Tally> = HashMap::new();
        for ((place, series), tally) in self.sorted() {
            if rest.contains(&place) {
                others.entry(series).or_default().add(tally);
            }
        }
        self.arrange(&kept);
        if let Some(label) = other {
            let place = self.places.len();
            self.places.push(Place {
                label: label.to_owned(),
                number: None,
            });
            for (series, tally) in others {
                self.tallies.insert((place, series), tally);
            }
        }
    }

    /// Takes the last place away where all others would be dwarfed by it; gives what it came to.
    pub(super) fn drop_giant(&mut self) -> Option<f64> {
        let mut sums = vec![0.0_f64; self.places.len()];
        for ((place, _), tally) in self.sorted() {
            if let (Some(sum), Some(value)) = (sums.get_mut(place), self.value(tally, true)) {
                *sum += value;
            }
        }
        let giant = sums.pop()?;
        let largest = sums.iter().fold(0.0_f64, |most, sum| most.max(sum.abs()));
        if giant.abs() <= DWARFED * largest {
            return None;
        }
        self.places.pop();
        let left = self.places.len();
        self.tallies.retain(|(place, _), _| *place < left);
        Some(giant)
    }

    /// Keeps the largest series; the others become one, or go.
    pub(super) fn keep_series(&mut self, most: usize, other: Option<String>, summable: bool) {
        let mut sizes = vec![0.0_f64; self.series.len()];
        for ((_, series), tally) in self.sorted() {
            if let (Some(size), Some(value)) = (sizes.get_mut(series), self.value(tally, summable))
            {
                *size += value.abs();
            }
        }
        let size = |series: &usize| sizes.get(*series).copied().unwrap_or_default();
        let mut kept: Vec<usize> = (0..self.series.len()).collect();
        kept.sort_by(|one, other| size(other).total_cmp(&size(one)));
        kept.truncate(most);
        kept.sort_unstable();
        let all = self.sorted();
        self.tallies.clear();
        for ((place, series), tally) in all {
            let to = kept.iter().position(|one| *one == series);
            let to = to.or(other.is_some().then_some(kept.len()));
            if let Some(to) = to {
                self.tallies.entry((place, to)).or_default().add(tally);
            }
        }
        self.series = kept
            .iter()
            .filter_map(|series| self.series.get(*series).cloned())
            .collect();
        self.series.extend(other);
    }

    /// Place by place, and in each series by series.
    pub(super) fn marks(&self, summable: bool) -> Vec<Mark> {
        let all = self.sorted().into_iter();
        all.map(|((place, series), tally)| {
            let number = self.places.get(place).and_then(|place| place.number);
            Mark {
                x: match number {
                    Some(number) if self.scaled => number,
                    _ => place as f64,
                },
                y: self.value(tally, summable),
                series,
                name: None,
            }
        })
        .collect()
    }
}
