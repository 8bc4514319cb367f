//! Days and times in the form of ISO 8601, which SQLite's functions read and which sort as text.

/// Whether a text is a day, as `2024-02-29`.
pub(crate) fn date(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.len() == 10 && day(bytes)
}

/// Whether a text is a day with a time, as `2024-02-29 12:30:00` or `2024-02-29T12:30:00.5+01:00`.
pub(crate) fn timestamp(text: &str) -> bool {
    let Some((before, after)) = text.as_bytes().split_at_checked(10) else {
        return false;
    };
    match after {
        [b' ' | b'T', rest @ ..] => day(before) && clock(zoneless(rest)),
        _ => false,
    }
}

/// Whether a text is a time, as `12:30` or `12:30:00.5`.
pub(crate) fn time(text: &str) -> bool {
    clock(text.as_bytes())
}

fn day(text: &[u8]) -> bool {
    let [a, b, c, d, b'-', e, f, b'-', g, h] = text else {
        return false;
    };
    let (Some(century), Some(year)) = (two(*a, *b), two(*c, *d)) else {
        return false;
    };
    let (Some(month), Some(day)) = (two(*e, *f), two(*g, *h)) else {
        return false;
    };
    let leap = if year == 0 { century } else { year } % 4 == 0;
    let days = match month {
        2 if leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => 0,
    };
    (1..=days).contains(&day)
}

fn clock(text: &[u8]) -> bool {
    let (text, fraction) = match text.split_at_checked(8) {
        Some((before, [b'.', fraction @ ..])) => (before, fraction),
        _ => (text, &b"0"[..]),
    };
    let (hour, minute, second) = match text {
        [a, b, b':', c, d] => (two(*a, *b), two(*c, *d), Some(0)),
        [a, b, b':', c, d, b':', e, f] => (two(*a, *b), two(*c, *d), two(*e, *f)),
        _ => return false,
    };
    let below = |part: Option<u8>, most: u8| part.is_some_and(|part| part < most);
    below(hour, 24)
        && below(minute, 60)
        && below(second, 60)
        && !fraction.is_empty()
        && fraction.iter().all(u8::is_ascii_digit)
}

/// A time without the zone at its end.
fn zoneless(text: &[u8]) -> &[u8] {
    match text {
        [rest @ .., b'Z'] => rest,
        [rest @ .., b'+' | b'-', a, b, b':', c, d] | [rest @ .., b'+' | b'-', a, b, c, d]
            if two(*a, *b).is_some() && two(*c, *d).is_some() =>
        {
            rest
        }
        [rest @ .., b'+' | b'-', a, b] if two(*a, *b).is_some() => rest,
        _ => text,
    }
}

fn two(ten: u8, one: u8) -> Option<u8> {
    let digit = |byte: u8| byte.is_ascii_digit().then(|| byte.saturating_sub(b'0'));
    Some(digit(ten)?.saturating_mul(10).saturating_add(digit(one)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_and_times_are_those_there_are() {
        for text in ["2024-02-29", "2000-02-29", "0001-01-01", "9999-12-31"] {
            assert!(date(text), "{text}");
        }
        for text in [
            "2023-02-29",
            "1900-02-29",
            "2024-13-01",
            "2024-00-01",
            "2024-1-1",
            "20240101",
            "2024-01-32",
            "２024-01-01",
        ] {
            assert!(!date(text), "{text}");
        }
        for text in [
            "2024-02-29 12:30",
            "2024-02-29T12:30:00Z",
            "2024-02-29T12:30:00.123456+0100",
            "2024-02-29 12:30:00-05:00",
            "2024-02-29 12:30:00+02",
        ] {
            assert!(timestamp(text), "{text}");
        }
        for text in [
            "2024-02-29",
            "2024-02-29 ",
            "2024-02-29 24:00",
            "2024-02-29x12:30",
            "2024-02-29 12:30:00.",
            "2024-02-29 12:30 CET",
        ] {
            assert!(!timestamp(text), "{text}");
        }
        assert!(time("00:00") && time("23:59:59.999"));
        assert!(!time("24:00") && !time("1:30") && !time("12:60"));
    }
}
