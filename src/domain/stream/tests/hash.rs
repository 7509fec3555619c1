//! Keys, and the ranges they fall into.

use crate::domain::stream::hash::{HashKey, HashRange, KeyError, PartitionKey, even_ranges};
use proptest::prelude::*;

fn hash(key: &str) -> String {
    PartitionKey::parse(key).expect("a key").hash().to_string()
}

fn ranges(count: u32) -> Vec<String> {
    even_ranges(count).iter().map(ToString::to_string).collect()
}

#[test]
fn a_partition_key_is_hashed_as_kinesis_does() {
    assert_eq!(hash("test"), "12707736894140473154801792860916528374");
    assert_eq!(hash("1"), "261578874264819908609102035485573088411");
    assert_eq!(hash("ü"), u128::from_str_radix("c03410a5204b21cd8229ff754688d743", 16).expect("md5").to_string());
}

#[test]
fn a_partition_key_has_1_to_256_characters_however_many_bytes() {
    let length = |key: String| PartitionKey::parse(&key).map(|key| key.as_str().chars().count());
    assert_eq!(length(String::new()), Err(KeyError::PartitionKeyLength { chars: 0 }));
    assert_eq!(length("€".repeat(256)), Ok(256));
    assert_eq!(length("€".repeat(257)), Err(KeyError::PartitionKeyLength { chars: 257 }));
}

#[test]
fn an_explicit_hash_key_is_a_decimal_number_below_2_to_the_128() {
    let all = "340282366920938463463374607431768211455";
    assert_eq!(HashKey::parse("0"), Ok(HashKey::MIN));
    assert_eq!(HashKey::parse(all), Ok(HashKey::MAX));
    for bad in ["", "340282366920938463463374607431768211456", "-1", "+1", "01", "00", "1e3", "0x1", " 1"] {
        assert_eq!(HashKey::parse(bad), Err(KeyError::HashKey(bad.into())), "{bad}");
    }
    let text = HashKey::parse("x").expect_err("no number").to_string();
    assert_eq!(text, format!("the hash key \"x\" is not a decimal number from 0 to {all}"));
}

#[test]
fn ranges_are_divided_as_kinesis_divides_them() {
    assert_eq!(ranges(0), [""; 0]);
    assert_eq!(ranges(1), ["0-340282366920938463463374607431768211455"]);
    assert_eq!(
        ranges(2),
        [
            "0-170141183460469231731687303715884105727",
            "170141183460469231731687303715884105728-340282366920938463463374607431768211455",
        ]
    );
    assert_eq!(
        ranges(3),
        [
            "0-113427455640312821154458202477256070484",
            "113427455640312821154458202477256070485-226854911280625642308916404954512140969",
            "226854911280625642308916404954512140970-340282366920938463463374607431768211455",
        ]
    );
}

#[test]
fn a_split_leaves_both_sides_more_than_kinesis_asks_for() {
    let range = HashRange { start: HashKey(10), end: HashKey(20) };
    let split = |key| range.split_at(HashKey(key)).map(|(a, b)| format!("{a} {b}"));
    assert_eq!(split(12).as_deref(), Some("10-11 12-20"));
    assert_eq!(split(19).as_deref(), Some("10-18 19-20"));
    for outside in [0, 9, 10, 11, 20, 21] {
        assert_eq!(split(outside), None, "{outside}");
    }
    assert_eq!(HashRange::ALL.middle(), HashKey(1 << 127));
    assert_eq!(range.middle(), HashKey(16));
    assert!(!HashRange::ALL.meets(&HashRange::ALL), "the space does not go round");
}

proptest! {
    #[test]
    fn even_ranges_partition_the_space(count in 1..300_u32) {
        let ranges = even_ranges(count);
        prop_assert_eq!(ranges.len(), count as usize);
        prop_assert_eq!(ranges[0].start, HashKey::MIN);
        prop_assert_eq!(ranges[ranges.len() - 1].end, HashKey::MAX);
        prop_assert!(ranges.windows(2).all(|pair| pair[0].meets(&pair[1])));
        let widths = || ranges.iter().map(HashRange::width);
        prop_assert!(widths().max().unwrap() - widths().min().unwrap() < u128::from(count));
    }
}
