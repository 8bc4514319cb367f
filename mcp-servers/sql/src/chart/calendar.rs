//! Times as a reader likes them, and where the lines of a time axis lie.

use jiff::civil::{Date, DateTime, date};

use super::numbers;
use super::reading::{Grain, clock, seconds};

const MINUTE: i64 = 60;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// The Monday before 1970: weeks are counted from there.
const MONDAY: i64 = -3 * DAY;

/// The distance of two lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Seconds(i64),
    Months(i64),
}

const STEPS: [Step; 23] = [
    Step::Seconds(1),
    Step::Seconds(5),
    Step::Seconds(15),
    Step::Seconds(30),
    Step::Seconds(MINUTE),
    Step::Seconds(5 * MINUTE),
    Step::Seconds(15 * MINUTE),
    Step::Seconds(30 * MINUTE),
    Step::Seconds(HOUR),
    Step::Seconds(3 * HOUR),
    Step::Seconds(6 * HOUR),
    Step::Seconds(12 * HOUR),
    Step::Seconds(DAY),
    Step::Seconds(2 * DAY),
    Step::Seconds(7 * DAY),
    Step::Seconds(14 * DAY),
    Step::Months(1),
    Step::Months(3),
    Step::Months(6),
    Step::Months(12),
    Step::Months(24),
    Step::Months(60),
    Step::Months(120),
];

impl Step {
    fn seconds(self) -> f64 {
        match self {
            Self::Seconds(seconds) => seconds as f64,
            Self::Months(months) => months as f64 * 30.44 * DAY as f64,
        }
    }
}

/// A moment in full.
pub(super) fn say(second: f64, grain: Grain) -> String {
    let at = clock(second);
    match grain {
        Grain::Year => at.year().to_string(),
        Grain::Month => format!("{} {}", month(at), at.year()),
        Grain::Day => at.date().to_string(),
        Grain::Second if at.second() == 0 => {
            format!("{} {:02}:{:02}", at.date(), at.hour(), at.minute())
        }
        Grain::Second => {
            let (hour, minute, second) = (at.hour(), at.minute(), at.second());
            format!("{} {hour:02}:{minute:02}:{second:02}", at.date())
        }
    }
}

/// As JSON's readers take it, whatever the time zone they are in.
pub(super) fn iso(second: f64) -> String {
    format!("{}Z", clock(second))
}

/// Lines between two moments, at most so many, with what stands beside them.
pub(super) fn ticks(from: f64, to: f64, grain: Grain, most: usize) -> Vec<(f64, String)> {
    let most = most.max(2);
    let finest = match grain {
        Grain::Year => 12.0 * 30.0 * DAY as f64,
        Grain::Month => 28.0 * DAY as f64,
        Grain::Day => DAY as f64,
        Grain::Second => 1.0,
    };
    let fits = |step: &Step| step.seconds() >= finest && (to - from) / step.seconds() < most as f64;
    let Some(step) = STEPS.into_iter().find(fits) else {
        return centuries(from, to, most);
    };
    let mut before: Option<DateTime> = None;
    let places = match step {
        Step::Seconds(seconds) => even(from, to, seconds),
        Step::Months(months) => by_months(from, to, months),
    };
    let label = |place: f64| {
        let at = clock(place);
        let told = beside(at, before, step);
        before = Some(at);
        (place, told)
    };
    places.into_iter().map(label).collect()
}

fn even(from: f64, to: f64, step: i64) -> Vec<f64> {
    let start = if step % (7 * DAY) == 0 {
        MONDAY as f64
    } else {
        0.0
    };
    let step = step as f64;
    let first = ((from - start) / step).ceil();
    let last = ((to - start) / step).floor();
    let count = (last - first + 1.0).clamp(0.0, 100.0) as usize;
    (0..count)
        .map(|place| start + (first + place as f64) * step)
        .collect()
}

fn by_months(from: f64, to: f64, step: i64) -> Vec<f64> {
    let at = clock(from);
    let months = i64::from(at.year()) * 12 + i64::from(at.month()) - 1;
    let first = months.div_euclid(step) * step;
    (0..200)
        .map_while(|place| {
            let month = first + place * step;
            let year = i16::try_from(month.div_euclid(12)).ok()?;
            let month = i8::try_from(month.rem_euclid(12) + 1).ok()?;
            seconds(Date::new(year, month, 1).ok()?.into())
        })
        .take_while(|place| *place <= to)
        .filter(|place| *place >= from)
        .collect()
}

fn centuries(from: f64, to: f64, most: usize) -> Vec<(f64, String)> {
    let year = |second: f64| f64::from(clock(second).year());
    let ticks = numbers::Ticks::around(year(from), year(to), most.saturating_sub(2).max(1));
    let lines = ticks.values().filter_map(|year| {
        let start = date(year as i16, 1, 1);
        let place = seconds(start.into())?;
        (from..=to)
            .contains(&place)
            .then(|| (place, (year as i64).to_string()))
    });
    lines.collect()
}

/// What stands beside a line: the day and the year only where they are new.
fn beside(at: DateTime, before: Option<DateTime>, step: Step) -> String {
    let new_year = before.is_none_or(|before| before.year() != at.year());
    let new_day = before.is_none_or(|before| before.date() != at.date());
    let day = format!("{} {}", at.day(), month(at));
    match step {
        Step::Months(months) if months >= 12 => at.year().to_string(),
        Step::Months(_) if new_year => format!("{} {}", month(at), at.year()),
        Step::Months(_) => month(at).to_owned(),
        Step::Seconds(DAY..) if new_year => format!("{day} {}", at.year()),
        Step::Seconds(DAY..) => day,
        Step::Seconds(seconds) => {
            let mut told = format!("{:02}:{:02}", at.hour(), at.minute());
            if seconds < MINUTE {
                told.push_str(&format!(":{:02}", at.second()));
            }
            if new_day {
                told = format!("{day} {told}");
            }
            told
        }
    }
}

fn month(at: DateTime) -> &'static str {
    match at.month() {
        1 => "Jan",
        2 => "Feb",
        3 => "Mar",
        4 => "Apr",
        5 => "May",
        6 => "Jun",
        7 => "Jul",
        8 => "Aug",
        9 => "Sep",
        10 => "Oct",
        11 => "Nov",
        _ => "Dec",
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::reading::moment;
    use super::*;

    fn told(from: &str, to: &str, grain: Grain, most: usize) -> Vec<String> {
        let at = |text| moment(text).unwrap().0;
        let lines = ticks(at(from), at(to), grain, most);
        lines.into_iter().map(|(_, told)| told).collect()
    }

    #[test]
    fn lines_lie_where_a_reader_counts() {
        assert_eq!(
            told("2023-11-01", "2024-03-01", Grain::Month, 6),
            ["Nov 2023", "Dec", "Jan 2024", "Feb", "Mar"]
        );
        assert_eq!(
            told("2024-01-30", "2024-02-02", Grain::Day, 6),
            ["30 Jan 2024", "31 Jan", "1 Feb", "2 Feb"]
        );
        assert_eq!(
            told("2024-01-01 22:00", "2024-01-02 02:00", Grain::Second, 6),
            ["1 Jan 22:00", "23:00", "2 Jan 00:00", "01:00", "02:00"]
        );
        assert_eq!(
            told("1990-01-01", "2020-01-01", Grain::Year, 8),
            ["1990", "1995", "2000", "2005", "2010", "2015", "2020"]
        );
        assert_eq!(
            told("1000-01-01", "2024-01-01", Grain::Year, 8)
                .first()
                .unwrap(),
            "1000"
        );
    }

    proptest! {
        #[test]
        fn there_are_never_too_many(from in -3e10..3e10_f64, length in 0.0..3e10_f64, most in 2_usize..20) {
            let lines = ticks(from, from + length, Grain::Second, most);
            prop_assert!(lines.len() <= most + 1);
            for (place, _) in lines {
                prop_assert!((from..=from + length).contains(&place));
            }
        }
    }
}
