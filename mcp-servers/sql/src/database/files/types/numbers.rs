//! Numbers in digits, where nothing of them is lost.

/// Digits that every real number of 64 bits keeps.
const KEPT_DIGITS: usize = 15;

/// Digits with which every real number of 64 bits can be told from all others.
const MOST_DIGITS: usize = 17;

/// A whole number, where the text is the way to write it.
pub(crate) fn whole(text: &str) -> Option<i64> {
    let digits = text.strip_prefix('-').unwrap_or(text).as_bytes();
    let plain = match digits {
        b"0" => !text.starts_with('-'),
        [b'1'..=b'9', rest @ ..] => rest.iter().all(u8::is_ascii_digit),
        _ => false,
    };
    // Others are too long for any number that is kept whole.
    (plain && digits.len() <= 19).then(|| text.parse().ok())?
}

/// A number with a fraction or an exponent, where its digits are kept. A text like `1E5` is a
/// number only where it is `sure` to be meant as one: it may well be the name of something.
pub(crate) fn real(text: &str, sure: bool) -> Option<f64> {
    let unsigned = text.strip_prefix('-').unwrap_or(text);
    let (mantissa, exponent) = match unsigned.find(['e', 'E']) {
        Some(place) => unsigned.split_at_checked(place)?,
        None => (unsigned, ""),
    };
    let (before, after) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(before) || !digits(after) || before.len() > 1 && before.starts_with('0') {
        return None;
    }
    let point = mantissa.len() > before.len();
    // `.5` is a number, `5.` and `.` are not.
    if point && after.is_empty() || before.is_empty() && after.is_empty() {
        return None;
    }
    if !exponent.is_empty() {
        let power = exponent.get(1..)?;
        let signed = power.starts_with(['+', '-']);
        let power = if signed { power.get(1..)? } else { power };
        if power.is_empty() || !digits(power) || !(sure || signed || point) {
            return None;
        }
    }
    let number: f64 = text.parse().ok()?;
    let written = significant(before, after);
    let kept = if written.is_empty() {
        true
    } else if !number.is_normal() {
        false
    } else if written.len() <= KEPT_DIGITS {
        true
    } else if written.len() <= MOST_DIGITS {
        let same = format!("{:.*e}", written.len().saturating_sub(1), number.abs());
        let mantissa = same.split('e').next().unwrap_or_default();
        let (one, rest) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        significant(one, rest) == written
    } else {
        false
    };
    kept.then_some(number)
}

/// The digits of a number without the zeros around them.
fn significant(before: &str, after: &str) -> String {
    let digits: String = [before, after].concat();
    digits.trim_matches('0').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_taken_where_nothing_is_lost() {
        for (text, number) in [
            ("1.50", Some(1.5)),
            ("0.30000000000000004", Some(0.1 + 0.2)),
            // Two thirds, as some programs write them: with all the digits there are.
            ("0.66666666666666663", Some(2.0 / 3.0)),
            ("0.6666666666666666", Some(2.0 / 3.0)),
            ("0.66666666666666661", None),
            ("100000000000000000000", Some(1e20)),
            ("0.1234567890123456789", None),
            ("123456789012345678.5", None),
            ("1.5e400", None),
            ("1.5e-400", None),
            ("0.0", Some(0.0)),
            ("00.5", None),
            ("5.", None),
            (".", None),
            ("", None),
            ("-", None),
            ("1e", None),
            ("1.5e+", None),
            ("1.2.3", None),
            ("inf", None),
            ("1e-05", Some(1e-5)),
            ("1e5", None),
            ("1,5", None),
        ] {
            assert_eq!(real(text, false), number, "{text}");
        }
        assert_eq!(real("1e5", true), Some(1e5));
        for (text, number) in [
            ("0", Some(0)),
            ("-0", None),
            ("-9223372036854775808", Some(i64::MIN)),
            ("99999999999999999999", None),
            ("1_000", None),
            ("٣", None),
        ] {
            assert_eq!(whole(text), number, "{text}");
        }
    }
}
