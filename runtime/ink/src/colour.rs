//! Whether colours can be told apart.

/// How well two colours `#rrggbb` are told apart, from 1 to 21, by the formula of WCAG 2. What is no
/// colour counts as black.
#[must_use]
pub fn contrast(one: &str, other: &str) -> f64 {
    let (one, other) = (light(one), light(other));
    (one.max(other) + 0.05) / (one.min(other) + 0.05)
}

/// Relative luminance, 0 to 1.
fn light(colour: &str) -> f64 {
    let part = |from: usize| {
        let digits = colour.get(from..from.saturating_add(2)).unwrap_or_default();
        let part = f64::from(u8::from_str_radix(digits, 16).unwrap_or_default()) / 255.0;
        if part <= 0.04045 {
            part / 12.92
        } else {
            ((part + 0.055) / 1.055).powf(2.4)
        }
    };
    0.2126 * part(1) + 0.7152 * part(3) + 0.0722 * part(5)
}

#[cfg(test)]
mod tests {
    use super::contrast;

    #[test]
    fn black_on_white_is_told_best_and_one_colour_not_at_all() {
        assert!((contrast("#000000", "#ffffff") - 21.0).abs() < 1e-9);
        assert!((contrast("#ffffff", "#777777") - 4.48).abs() < 0.01);
        assert!((contrast("#123456", "#123456") - 1.0).abs() < 1e-9);
    }
}
