//! Numbers as DynamoDB has them: decimals of up to 38 digits, exact when they are compared, added and taken away.

use std::{cmp::Ordering, fmt, str::FromStr};

const DIGITS_MAX: i32 = 38;
/// Of the first digit that is not zero.
const MAGNITUDE_MAX: i32 = 125;
const MAGNITUDE_MIN: i32 = -130;

/// A decimal: digits × 10^exponent. The digits do not end in zero, and zero has neither sign nor exponent, so that equal
/// numbers have equal parts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Number {
    is_negative: bool,
    digits: u128,
    exponent: i32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NumberError {
    #[error("the text is not a number")]
    Malformed,
    #[error("Attempting to store more than 38 significant digits in a Number")]
    TooManyDigits,
    #[error("Number overflow. Attempting to store a number with magnitude larger than supported range")]
    TooLarge,
    #[error("Number underflow. Attempting to store a number with magnitude smaller than supported range")]
    TooSmall,
}

impl Number {
    fn new(is_negative: bool, mut digits: u128, mut exponent: i32) -> Result<Self, NumberError> {
        if digits == 0 {
            return Ok(Self::default());
        }
        while digits.is_multiple_of(10) {
            digits /= 10;
            exponent += 1;
        }
        let number = Self { is_negative, digits, exponent };
        if number.length() > DIGITS_MAX {
            return Err(NumberError::TooManyDigits);
        }
        match number.magnitude() {
            magnitude if magnitude > MAGNITUDE_MAX => Err(NumberError::TooLarge),
            magnitude if magnitude < MAGNITUDE_MIN => Err(NumberError::TooSmall),
            _ => Ok(number),
        }
    }

    /// How many digits there are.
    fn length(self) -> i32 {
        self.digits.checked_ilog10().map_or(1, |log| log as i32 + 1)
    }

    /// The power of ten of the first digit.
    fn magnitude(self) -> i32 {
        self.exponent + self.length() - 1
    }

    /// What it takes of the size of an item.
    pub fn size(self) -> usize {
        self.length().unsigned_abs().div_ceil(2) as usize + 1 + usize::from(self.is_negative)
    }

    fn negated(self) -> Self {
        Self { is_negative: self.digits != 0 && !self.is_negative, ..self }
    }

    /// # Errors
    ///
    /// The sum has too many digits, or is too large or too small.
    pub fn plus(self, other: Self) -> Result<Self, NumberError> {
        if self.digits == 0 || other.digits == 0 {
            return Ok(if self.digits == 0 { other } else { self });
        }
        let exponent = self.exponent.min(other.exponent);
        // Whatever does not fit here has more digits than a number may have.
        let scaled = |number: Self| {
            let power = 10_u128.checked_pow(number.exponent.abs_diff(exponent))?;
            number.digits.checked_mul(power)
        };
        let (one, two) = (scaled(self), scaled(other));
        let (one, two) = one.zip(two).ok_or(NumberError::TooManyDigits)?;
        if self.is_negative == other.is_negative {
            let sum = one.checked_add(two).ok_or(NumberError::TooManyDigits)?;
            return Self::new(self.is_negative, sum, exponent);
        }
        let is_negative = if one > two { self.is_negative } else { other.is_negative };
        Self::new(is_negative, one.abs_diff(two), exponent)
    }

    /// # Errors
    ///
    /// As of [`Number::plus`].
    pub fn minus(self, other: Self) -> Result<Self, NumberError> {
        self.plus(other.negated())
    }

    /// The whole number nearest to zero; `None` when it does not fit.
    pub fn to_i64(self) -> Option<i64> {
        let whole = match u32::try_from(self.exponent) {
            Ok(exponent) => self.digits.checked_mul(10_u128.checked_pow(exponent)?)?,
            Err(_) => 10_u128.checked_pow(self.exponent.unsigned_abs()).map_or(0, |power| self.digits / power),
        };
        let whole = i128::try_from(whole).ok()?;
        i64::try_from(if self.is_negative { -whole } else { whole }).ok()
    }

    /// Digits and exponent: as short for a huge number as for a small one.
    pub fn compact(self) -> String {
        let Self { is_negative, digits, exponent } = self;
        let sign = if is_negative { "-" } else { "" };
        if exponent == 0 { format!("{sign}{digits}") } else { format!("{sign}{digits}E{exponent}") }
    }

    fn cmp_size(self, other: Self) -> Ordering {
        // Both to the full length, where equal places stand at equal powers.
        let full = |number: Self| number.digits * 10_u128.pow((DIGITS_MAX - number.length()).unsigned_abs());
        self.magnitude().cmp(&other.magnitude()).then_with(|| full(self).cmp(&full(other)))
    }
}

impl From<u64> for Number {
    fn from(number: u64) -> Self {
        // Twenty digits at most, so nothing can be wrong.
        Self::new(false, number.into(), 0).unwrap_or_default()
    }
}

impl Ord for Number {
    fn cmp(&self, other: &Self) -> Ordering {
        let sign = |number: &Self| match (number.digits, number.is_negative) {
            (0, _) => 0,
            (_, true) => -1,
            (_, false) => 1,
        };
        let (one, two) = (sign(self), sign(other));
        one.cmp(&two).then_with(|| match one {
            1 => self.cmp_size(*other),
            -1 => other.cmp_size(*self),
            _ => Ordering::Equal,
        })
    }
}

impl PartialOrd for Number {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl FromStr for Number {
    type Err = NumberError;

    fn from_str(text: &str) -> Result<Self, NumberError> {
        let (is_negative, rest) = match text.as_bytes().first() {
            Some(b'-') => (true, text.get(1..)),
            Some(b'+') => (false, text.get(1..)),
            _ => (false, Some(text)),
        };
        let rest = rest.unwrap_or_default();
        let (mantissa, power) = match rest.split_once(['e', 'E']) {
            Some((mantissa, power)) => (mantissa, parse_power(power)?),
            None => (rest, 0),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let mut all = whole.bytes().chain(fraction.bytes());
        if whole.len() + fraction.len() == 0 || !all.all(|byte| byte.is_ascii_digit()) {
            return Err(NumberError::Malformed);
        }
        let both = format!("{whole}{fraction}");
        let kept = both.trim_end_matches('0');
        let dropped = both.len() - kept.len();
        let significant = kept.trim_start_matches('0');
        if significant.len() > DIGITS_MAX as usize {
            return Err(NumberError::TooManyDigits);
        }
        let digits =
            if significant.is_empty() { 0 } else { significant.parse().map_err(|_| NumberError::Malformed)? };
        let shift = i32::try_from(dropped).ok().zip(i32::try_from(fraction.len()).ok());
        let (dropped, fraction) = shift.ok_or(NumberError::Malformed)?;
        Self::new(is_negative, digits, power.saturating_add(dropped).saturating_sub(fraction))
    }
}

/// An exponent; one that no integer holds is as good as any that is out of range.
fn parse_power(text: &str) -> Result<i32, NumberError> {
    const FAR: i32 = 100_000;
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(NumberError::Malformed);
    }
    let far = if text.starts_with('-') { -FAR } else { FAR };
    Ok(text.parse::<i32>().map_or(far, |power| power.clamp(-FAR, FAR)))
}

/// Without an exponent, as DynamoDB answers.
impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.is_negative { "-" } else { "" };
        let digits = self.digits.to_string();
        match usize::try_from(self.exponent) {
            Ok(zeroes) => write!(f, "{sign}{digits}{}", "0".repeat(zeroes)),
            Err(_) => {
                let places = self.exponent.unsigned_abs() as usize;
                let padded = format!("{}{digits}", "0".repeat((places + 1).saturating_sub(digits.len())));
                let (whole, fraction) = padded.split_at(padded.len() - places);
                write!(f, "{sign}{whole}.{fraction}")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn number(text: &str) -> Number {
        text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    #[test]
    fn a_number_has_one_spelling() {
        for (text, spelled) in [
            ("0", "0"),
            ("-0.00", "0"),
            ("007", "7"),
            ("+1.50", "1.5"),
            ("-12e3", "-12000"),
            ("1e-3", "0.001"),
            (".5", "0.5"),
            ("5.", "5"),
            ("123456789.987654321", "123456789.987654321"),
            ("0E-99999999999", "0"),
        ] {
            assert_eq!(number(text).to_string(), spelled, "{text}");
            assert_eq!(number(spelled), number(text));
            assert_eq!(number(&number(text).compact()), number(text));
        }
        assert_eq!(number("1E125").to_string().len(), 126);
        assert_eq!(number("1E-130").to_string().len(), 132);
        assert_eq!((number("-1200").compact(), number("0.5").compact()), ("-12E2".to_owned(), "5E-1".to_owned()));
    }

    #[test]
    fn what_is_no_number_or_out_of_range_is_refused() {
        for bad in ["", "-", ".", "abc", "1e", "1e+", "1.2.3", "0x1", " 1", "1_000", "NaN", "Infinity", "--1"] {
            assert_eq!(bad.parse::<Number>(), Err(NumberError::Malformed), "{bad}");
        }
        assert_eq!("1E126".parse::<Number>(), Err(NumberError::TooLarge));
        assert_eq!("1E-131".parse::<Number>(), Err(NumberError::TooSmall));
        assert_eq!("1E99999999999".parse::<Number>(), Err(NumberError::TooLarge));
        assert_eq!(format!("1{}1", "0".repeat(37)).parse::<Number>(), Err(NumberError::TooManyDigits));
        assert_eq!(number(&format!("1{}0", "0".repeat(60))), number("1E61"));
    }

    #[test]
    fn sums_are_exact_or_refused() {
        let nines = "9".repeat(38);
        assert_eq!(number("0.1").plus(number("0.2")), Ok(number("0.3")));
        assert_eq!(number(&nines).plus(number("1")), Ok(number("1E38")));
        assert_eq!(number("1E38").minus(number("1")), Ok(number(&nines)));
        assert_eq!(number("1E40").plus(number("1")), Err(NumberError::TooManyDigits));
        assert_eq!(number("1E120").plus(number("1E-100")), Err(NumberError::TooManyDigits));
        assert_eq!(number(&format!("{nines}E88")).plus(number("1E88")), Err(NumberError::TooLarge));
        assert_eq!(number("5").minus(number("5")), Ok(Number::default()));
        assert_eq!(number("-5").minus(number("-7")), Ok(number("2")));
        assert_eq!(Number::default().minus(number("3")), Ok(number("-3")));
    }

    #[test]
    fn whole_numbers_are_read() {
        assert_eq!(number("1.7e3").to_i64(), Some(1700));
        assert_eq!((number("-2.9").to_i64(), number("1e-40").to_i64()), (Some(-2), Some(0)));
        assert_eq!((number("1e30").to_i64(), number("1e100").to_i64()), (None, None));
        assert_eq!(Number::from(1_700_000_000), number("17e8"));
    }

    proptest! {
        #[test]
        fn order_and_sums_are_those_of_integers(a in -10_000_i64..10_000, b in -10_000_i64..10_000, scale in -20_i32..20) {
            let scaled = |n: i64| number(&format!("{n}e{scale}"));
            prop_assert_eq!(scaled(a).cmp(&scaled(b)), a.cmp(&b));
            prop_assert_eq!(scaled(a).plus(scaled(b)), Ok(scaled(a + b)));
            prop_assert_eq!(scaled(a).minus(scaled(b)), Ok(scaled(a - b)));
        }

        #[test]
        fn numbers_of_unlike_scales_compare_like_floats(a in -1000_i32..1000, x in -30_i32..30, b in -1000_i32..1000, y in -30_i32..30) {
            let (one, two) = (format!("{a}e{x}"), format!("{b}e{y}"));
            let (f, g): (f64, f64) = (one.parse().expect("a float"), two.parse().expect("a float"));
            if (f - g).abs() > f.abs() * 1e-9 {
                prop_assert_eq!(number(&one).cmp(&number(&two)), f.partial_cmp(&g).expect("ordered"));
            }
        }
    }
}
