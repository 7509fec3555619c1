//! Figures as people read them.

use std::time::Duration;

/// `1234567` as `1,234,567`.
pub(super) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// Three digits and a unit.
pub(super) fn span(duration: Duration) -> String {
    let micros = duration.as_secs_f64() * 1e6;
    match micros {
        ..1_000.0 => format!("{micros:.0}µs"),
        ..10_000.0 => format!("{:.2}ms", micros / 1e3),
        ..1_000_000.0 => format!("{:.1}ms", micros / 1e3),
        _ => format!("{:.2}s", micros / 1e6),
    }
}

pub(super) fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match (values.get(middle), values.get(middle.wrapping_sub(1))) {
        (Some(high), Some(low)) if values.len().is_multiple_of(2) => (high + low) / 2.0,
        (Some(only), _) => *only,
        (None, _) => 0.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_readable() {
        let numbers: Vec<_> = [0, 999, 1000, 1_234_567].into_iter().map(grouped).collect();
        assert_eq!(numbers, ["0", "999", "1,000", "1,234,567"]);
        let spans: Vec<_> = [85, 1_350, 45_600, 2_500_000].map(|us| span(Duration::from_micros(us))).to_vec();
        assert_eq!(spans, ["85µs", "1.35ms", "45.6ms", "2.50s"]);
        assert_eq!((median(&mut [3.0, 1.0, 2.0]), median(&mut [4.0, 1.0]), median(&mut [])), (2.0, 2.5, 0.0));
    }
}
