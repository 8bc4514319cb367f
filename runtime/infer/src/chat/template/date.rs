//! The date that a template may print: `strftime_now`.

use std::time::{SystemTime, UNIX_EPOCH};

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

const DAYS: [&str; 7] = [
    "Sunday",
    "Monday",
    "Tuesday",
    "Wednesday",
    "Thursday",
    "Friday",
    "Saturday",
];

/// Seconds since 1970, by this machine's clock.
pub(super) fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| {
        i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
    })
}

/// A moment (seconds since 1970) in UTC, as `strftime` writes it in the C locale. What it does
/// not know is left as it stands.
pub(super) fn strftime(format: &str, unix_time: i64) -> String {
    // Years beyond these are not written with four digits.
    let unix_time = unix_time.clamp(-62_135_596_800, 253_402_300_799);
    let (days, seconds) = (unix_time.div_euclid(86_400), unix_time.rem_euclid(86_400));
    let (year, month, day) = civil(days);
    let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    let weekday = (days + 4).rem_euclid(7);
    let month_name = name(&MONTHS, month - 1);
    let day_name = name(&DAYS, weekday);
    let day_of_year = days - days_before_year(year) + 1;
    let hour12 = if hour % 12 == 0 { 12 } else { hour % 12 };

    let mut out = String::new();
    let mut rest = format.chars();
    while let Some(character) = rest.next() {
        if character != '%' {
            out.push(character);
            continue;
        }
        let mut code = rest.next();
        // `%-d`: no leading zero.
        let bare = code == Some('-');
        if bare {
            code = rest.next();
        }
        let two = |number: i64| {
            if bare {
                number.to_string()
            } else {
                format!("{number:02}")
            }
        };
        match code {
            Some('Y') => out.push_str(&format!("{year:04}")),
            Some('y') => out.push_str(&two(year.rem_euclid(100))),
            Some('m') => out.push_str(&two(month)),
            Some('d') => out.push_str(&two(day)),
            Some('e') => out.push_str(&format!("{day:2}")),
            Some('j') if bare => out.push_str(&day_of_year.to_string()),
            Some('j') => out.push_str(&format!("{day_of_year:03}")),
            Some('B') => out.push_str(month_name),
            Some('b' | 'h') => out.extend(month_name.chars().take(3)),
            Some('A') => out.push_str(day_name),
            Some('a') => out.extend(day_name.chars().take(3)),
            Some('H') => out.push_str(&two(hour)),
            Some('I') => out.push_str(&two(hour12)),
            Some('M') => out.push_str(&two(minute)),
            Some('S') => out.push_str(&two(second)),
            Some('p') => out.push_str(if hour < 12 { "AM" } else { "PM" }),
            Some('F') => out.push_str(&format!("{year:04}-{month:02}-{day:02}")),
            Some('T') => out.push_str(&format!("{hour:02}:{minute:02}:{second:02}")),
            Some('D') => {
                out.push_str(&format!("{month:02}/{day:02}/{:02}", year.rem_euclid(100)));
            }
            Some('Z') => out.push_str("UTC"),
            Some('z') => out.push_str("+0000"),
            Some('s') => out.push_str(&unix_time.to_string()),
            Some('u') => out.push_str(&if weekday == 0 { 7 } else { weekday }.to_string()),
            Some('w') => out.push_str(&weekday.to_string()),
            Some('%') => out.push('%'),
            Some(other) => {
                out.push('%');
                if bare {
                    out.push('-');
                }
                out.push(other);
            }
            None => out.push('%'),
        }
    }
    out
}

fn name(names: &[&'static str], at: i64) -> &'static str {
    let at = usize::try_from(at).unwrap_or(0);
    names.get(at).copied().unwrap_or("")
}

fn is_leap(year: i64) -> bool {
    (year % 4 == 0 && year % 100 != 0) || year % 400 == 0
}

/// Days from 1970-01-01 to the first of January of a year.
fn days_before_year(year: i64) -> i64 {
    let past = year - 1;
    past * 365 + past.div_euclid(4) - past.div_euclid(100) + past.div_euclid(400) - 719_162
}

/// Year, month (1 to 12) and day of a day counted from 1970-01-01.
fn civil(days: i64) -> (i64, i64, i64) {
    // 146,097 days are 400 years: the estimate is off by one at most.
    let mut year = (days + 719_162) * 400 / 146_097 + 1;
    while days_before_year(year) > days {
        year -= 1;
    }
    while days_before_year(year + 1) <= days {
        year += 1;
    }
    let mut left = days - days_before_year(year);
    let february = if is_leap(year) { 29 } else { 28 };
    let lengths = [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let mut month = 1;
    for length in lengths {
        if left < length {
            break;
        }
        left -= length;
        month += 1;
    }
    (year, month, left + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_moments() {
        let all = "%Y-%m-%d %H:%M:%S %a %A %b %B %j %-d %-m %y %I %p %% %q %";
        assert_eq!(
            strftime(all, 0),
            "1970-01-01 00:00:00 Thu Thursday Jan January 001 1 1 70 12 AM % %q %"
        );
        // The figures of `datetime` in Python.
        assert_eq!(
            strftime("%d %b %Y %A %j", 1_709_210_096),
            "29 Feb 2024 Thursday 060"
        );
        assert_eq!(strftime("%F %T %p", 951_868_799), "2000-02-29 23:59:59 PM");
        assert_eq!(strftime("%F", -1), "1969-12-31");
        assert_eq!(strftime("%F", 4_107_542_399), "2100-02-28");
        assert_eq!(strftime("%F", 4_107_542_400), "2100-03-01");
    }

    #[test]
    fn every_day_follows_the_one_before() {
        let mut before = civil(-800_000 + 80_838);
        for days in -719_161..800_000 {
            let day = civil(days);
            assert!(day > before, "{before:?} then {day:?}");
            assert!((1..=12).contains(&day.1) && (1..=31).contains(&day.2));
            before = day;
        }
    }

    #[test]
    fn the_ends_of_time_do_not_overflow() {
        assert_eq!(strftime("%Y", i64::MAX), "9999");
        assert_eq!(strftime("%Y", i64::MIN), "0001");
    }
}
